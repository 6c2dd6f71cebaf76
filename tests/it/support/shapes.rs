//! What GitHub answers, with every field that its description of the API requires.

use serde_json::{Map, Value, json};

use super::github::{BASE, BOT, Comment};

const WEB: &str = "https://github.example";
const API: &str = "https://api.github.example";
const REPOSITORY: &str = "octo/demo";
const WHEN: &str = "2026-01-02T03:04:05Z";

/// Fields `NAME_url` of an object at `address`.
fn addresses(address: &str, names: &str) -> Map<String, Value> {
    let names = names.split_whitespace();
    names
        .map(|name| (format!("{name}_url"), format!("{address}/{name}").into()))
        .collect()
}

/// One object with the fields of both.
fn joined(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

fn user(login: &str, kind: &str) -> Value {
    let names = "avatar events followers following gists html organizations received_events repos starred \
                 subscriptions";
    joined(
        addresses(&format!("{API}/users/octocat"), names),
        json!({
            "id": 1, "node_id": "U_1", "login": login, "type": kind, "gravatar_id": "", "site_admin": false,
            "url": format!("{API}/users/octocat"),
        }),
    )
}

/// By an account that is gone where the login is empty.
pub(crate) fn comment(comment: &Comment) -> Value {
    let Comment {
        id,
        body,
        login,
        kind,
    } = comment;
    let author = (!login.is_empty()).then(|| user(login, kind));
    json!({
        "id": id,
        "node_id": format!("IC_{id}"),
        "body": body,
        "url": format!("{API}/repos/{REPOSITORY}/issues/comments/{id}"),
        "html_url": format!("{WEB}/{REPOSITORY}/pull/7#issuecomment-{id}"),
        "issue_url": format!("{API}/repos/{REPOSITORY}/issues/7"),
        "user": author,
        "author_association": "NONE",
        "created_at": WHEN,
        "updated_at": WHEN,
    })
}

/// Of a check run as it was asked for.
pub(crate) fn check_run(id: usize, asked: &Value) -> Value {
    let output = &asked["output"];
    let annotations = output["annotations"].as_array().map_or(0, Vec::len);
    let url = format!("{API}/repos/{REPOSITORY}/check-runs/{id}");
    json!({
        "id": id,
        "node_id": format!("CR_{id}"),
        "head_sha": asked["head_sha"],
        "name": asked["name"],
        "url": url,
        "html_url": format!("{WEB}/{REPOSITORY}/runs/{id}"),
        "details_url": asked["details_url"],
        "external_id": asked["external_id"],
        "status": asked["status"],
        "conclusion": asked["conclusion"],
        "started_at": WHEN,
        "completed_at": WHEN,
        "check_suite": { "id": 5 },
        "output": {
            "title": output["title"],
            "summary": output["summary"],
            "text": null,
            "annotations_count": annotations,
            "annotations_url": format!("{url}/annotations"),
        },
        "app": null,
        "pull_requests": [],
    })
}

/// A file, with its bytes in base64.
pub(crate) fn content(path: &str, size: usize, base64: &str) -> Value {
    let url = format!("{API}/repos/{REPOSITORY}/contents/{path}");
    let page = format!("{WEB}/{REPOSITORY}/blob/main/{path}");
    json!({
        "type": "file",
        "encoding": "base64",
        "size": size,
        "name": path.rsplit('/').next(),
        "path": path,
        "content": base64,
        "sha": BASE,
        "url": url,
        "git_url": url,
        "html_url": page,
        "download_url": page,
        "_links": { "git": url, "self": url, "html": page },
    })
}

pub(crate) fn commit(sha: &str) -> Value {
    let url = format!("{API}/repos/{REPOSITORY}/commits/{sha}");
    let person = json!({ "name": "mona", "email": "mona@github.example", "date": WHEN });
    json!({
        "sha": sha,
        "node_id": "C_1",
        "url": url,
        "html_url": format!("{WEB}/{REPOSITORY}/commit/{sha}"),
        "comments_url": format!("{url}/comments"),
        "commit": {
            "url": url, "author": person, "committer": person, "message": "change", "comment_count": 0,
            "tree": { "sha": BASE, "url": format!("{url}/tree") },
        },
        "author": user("mona", "User"),
        "committer": user(BOT, "Bot"),
        "parents": [],
    })
}

fn repository(name: &str) -> Value {
    let (owner, short) = name.split_once('/').unwrap();
    let url = format!("{API}/repos/{name}");
    let names = "archive assignees blobs branches collaborators comments commits compare contents contributors \
                 deployments downloads events forks git_commits git_refs git_tags hooks html issue_comment \
                 issue_events issues keys labels languages merges milestones notifications pulls releases \
                 stargazers statuses subscribers subscription tags teams trees clone git ssh svn mirror";
    joined(
        addresses(&url, names),
        json!({
            "id": 1, "node_id": "R_1", "name": short, "full_name": name, "url": url,
            "owner": user(owner, "User"),
            "private": false, "fork": name != REPOSITORY, "archived": false, "disabled": false,
            "description": null, "homepage": null, "language": null, "license": null,
            "default_branch": "main",
            "forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "size": 1,
            "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
            "has_downloads": true, "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false,
            "pushed_at": WHEN, "created_at": WHEN, "updated_at": WHEN,
        }),
    )
}

/// An open one, whose head is on a branch of `from`.
pub(crate) fn pull(number: u64, head: &str, from: &str, branch: &str) -> Value {
    let url = format!("{API}/repos/{REPOSITORY}/pulls/{number}");
    let mut links = Map::new();
    let names = "comments commits statuses html issue review_comments review_comment self";
    for name in names.split(' ') {
        links.insert(name.to_owned(), json!({ "href": format!("{url}/{name}") }));
    }
    let side = |repository: &str, sha: &str, branch: &str| {
        let owner = repository.split('/').next().unwrap();
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "user": user(owner, "User"),
            "repo": self::repository(repository),
        })
    };
    joined(
        addresses(
            &url,
            "comments commits diff html issue patch review_comment review_comments statuses",
        ),
        json!({
            "number": number, "id": 1, "node_id": "PR_1", "url": url, "title": "a change", "body": null,
            "state": "open", "locked": false, "labels": [], "milestone": null, "user": user("mona", "User"),
            "head": side(from, head, branch),
            "base": side(REPOSITORY, BASE, "main"),
            "_links": links,
            "assignee": null, "auto_merge": null, "author_association": "NONE", "merge_commit_sha": null,
            "created_at": WHEN, "updated_at": WHEN, "closed_at": null, "merged_at": null,
        }),
    )
}

/// A refusal.
pub(crate) fn problem(status: u16, message: &str) -> Value {
    json!({
        "message": message,
        "documentation_url": "https://docs.github.example/rest",
        "status": status.to_string(),
    })
}
