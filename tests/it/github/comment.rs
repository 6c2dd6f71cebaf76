//! The sticky comment, over the runs of a pull request.

use std::time::Duration;

use super::setup::{Job, Left};
use crate::support::github::{BOT, Comment, Fault, HEAD, problem};
use crate::support::server::Reply;

const CREATE: &str = "POST /repos/octo/demo/issues/7/comments";
const ALWAYS: (&str, &str) = ("TUNEGATE_COMMENT", "always");

/// What this job wrote, as the first line of a comment of another run.
fn marker_of(job: &Job, run: u64) -> String {
    let body = job.github.comment().body;
    let line = body.lines().next().unwrap().to_owned();
    let start = line.find("run=").unwrap();
    let end = line.find(" head=").unwrap();
    format!("{}run={run}.1{}", &line[..start], &line[end..])
}

fn says(job: &Job, word: &str) {
    let body = job.github.comment().body;
    let heading = body.lines().find(|line| line.starts_with("### ")).unwrap();
    assert!(heading.contains(word), "{body}");
}

#[test]
fn the_first_red_run_creates_one_comment() {
    let mut job = Job::new();
    let left = job.ci("broken", &[]).expect(1);
    let comment = job.github.comment();
    assert!(
        comment.body.starts_with("<!-- tunegate:v1 key="),
        "{}",
        comment.body
    );
    assert!(
        comment.body.contains(&format!("head={HEAD}")),
        "{}",
        comment.body
    );
    assert!(
        comment
            .body
            .contains("https://github.example/octo/demo/actions/runs/1")
    );
    says(&job, "fail: ");
    assert!(
        left.output("comment-url")
            .ends_with(&comment.id.to_string())
    );
    assert_eq!(left.output("verdict"), "fail");
    assert_eq!(
        (left.output("fail-count"), left.output("policy-changed")),
        ("1", "false")
    );
    assert!(left.summary.contains("fail: "), "{}", left.summary);
    let report = tunegate::fs::read_to_string(left.output("report-path").as_ref()).unwrap();
    assert!(report.contains("\"verdict\": \"fail\""));
    assert_eq!(job.github.headers("x-github-api-version")[0], "2022-11-28");
    assert_eq!(job.github.headers("authorization")[0], "Bearer ghs_secret");
    assert_eq!(job.github.writes(), [CREATE]);
}

#[test]
fn a_first_green_run_says_nothing_unless_asked() {
    let mut job = Job::new();
    let left = job.ci("tuned", &[]).expect(0);
    assert_eq!(left.output("comment-url"), "");
    assert!(left.summary.contains("pass: "), "{}", left.summary);
    job.ci("tuned", &[("TUNEGATE_COMMENT", "on-failure")])
        .expect(0);
    job.ci("broken", &[("TUNEGATE_COMMENT", "never")]).expect(1);
    assert_eq!(job.github.comments().len(), 0);
    job.ci("tuned", &[ALWAYS]).expect(0);
    says(&job, "pass: ");
}

#[test]
fn a_later_run_edits_the_comment_and_turns_it_green() {
    let mut job = Job::new();
    job.ci("broken", &[]).expect(1);
    let first = job.github.comment();
    job.github.requests();
    let left = job.ci("tuned", &[]).expect(0);
    says(&job, "pass: ");
    assert_eq!(job.github.comment().id, first.id);
    // GitHub documents PATCH only; a POST to a comment is refused.
    let edit = format!("PATCH /repos/octo/demo/issues/comments/{}", first.id);
    assert_eq!(job.github.writes(), [edit]);
    assert!(left.output("comment-url").ends_with(&first.id.to_string()));
}

#[test]
fn a_comment_that_would_say_the_same_is_not_touched() {
    let mut job = Job::new();
    job.ci("broken", &[]).expect(1);
    let first = job.github.comment();
    job.github.requests();
    let left = job.ci("broken", &[]).expect(1);
    assert_eq!(job.github.writes(), [""; 0]);
    assert_eq!(job.github.comment().body, first.body);
    assert!(left.output("comment-url").ends_with(&first.id.to_string()));
    // Another commit is another statement, even with the same words.
    job.payload["pull_request"]["head"]["sha"] = "1".repeat(40).into();
    job.ci("broken", &[]).expect(1);
    assert_eq!(job.github.writes().len(), 1);
}

#[test]
fn an_older_run_does_not_write_over_a_newer_one() {
    let mut job = Job::new();
    job.run = 9;
    job.ci("broken", &[]).expect(1);
    job.github.requests();
    job.run = 3;
    let left = job.ci("tuned", &[]).expect(0);
    assert_eq!(job.github.writes(), [""; 0]);
    says(&job, "fail: ");
    assert_eq!(left.commands("notice").len(), 1, "{}", left.ran.stderr);
}

#[test]
fn the_comment_is_found_behind_many_others_and_never_by_its_marker_alone() {
    let mut job = Job::new();
    job.ci("broken", &[]).expect(1);
    let forged = marker_of(&job, 999);
    let own = job.github.comment();
    let mut job = Job::new();
    for index in 0..230 {
        job.github
            .add_comment("mona", "User", &format!("comment {index}"));
    }
    // A person, another program, and an account that is gone.
    job.github.add_comment("mona", "User", &forged);
    job.github.add_comment("other[bot]", "Bot", &forged);
    job.github.add_comment(BOT, "User", &forged);
    job.github.add_comment("", "", &forged);
    let id = job.github.add_comment(BOT, "Bot", &own.body);
    job.ci("tuned", &[]).expect(0);
    let comments = job.github.comments();
    let changed: Vec<_> = comments
        .iter()
        .filter(|comment| comment.body.contains("pass: "))
        .collect();
    assert_eq!((changed.len(), changed[0].id), (1, id));
    assert_eq!(comments.len(), 235);
}

#[test]
fn several_gates_have_several_comments() {
    let mut job = Job::new();
    job.ci("broken", &[("TUNEGATE_COMMENT_KEY", "lora")])
        .expect(1);
    job.ci("broken", &[("TUNEGATE_COMMENT_KEY", "full")])
        .expect(1);
    job.ci("broken", &[]).expect(1);
    assert_eq!(job.github.comments().len(), 3);
    job.ci("tuned", &[("TUNEGATE_COMMENT_KEY", "full")])
        .expect(0);
    let comments = job.github.comments();
    assert_eq!(comments.len(), 3);
    assert!(
        comments[1].body.contains("pass: ") && comments[1].body.contains("### `full` ✓ pass: ")
    );
}

#[test]
fn an_app_finds_its_comment_by_the_login_that_it_is_told() {
    let mut job = Job::new();
    // The tests' GitHub writes as github-actions[bot], whatever the token.
    let left = job
        .ci("broken", &[("TUNEGATE_BOT_LOGIN", "gate[bot]")])
        .expect(1);
    let notices = left.commands("notice");
    assert!(
        notices[0].contains("writes as `github-actions[bot]`"),
        "{notices:?}"
    );
    let comment = job.github.comment();
    let left = job.ci("tuned", &[("TUNEGATE_BOT_LOGIN", BOT)]).expect(0);
    assert!(
        left.output("comment-url")
            .ends_with(&comment.id.to_string())
    );
}

/// One comment of ours, whatever happened to the requests.
#[track_caller]
fn one_comment_after(fault: &dyn Fn(&Job)) -> Left {
    let mut job = Job::new();
    fault(&job);
    let left = job.ci("broken", &[]).expect(1);
    assert_eq!(left.commands("notice").len(), 0, "{}", left.ran.stderr);
    let comment = job.github.comment();
    assert!(
        left.output("comment-url")
            .ends_with(&comment.id.to_string())
    );
    left
}

#[test]
fn a_creation_whose_answer_is_lost_is_not_repeated() {
    let lost: [fn() -> Fault; 3] = [
        || Fault::LoseAnswer,
        || Fault::DoneBut(problem(502, "Server Error")),
        || Fault::DoneBut(Reply::new(200, "<html>")),
    ];
    for fault in lost {
        one_comment_after(&|job| job.github.fault("POST", "/comments", fault()));
    }
}

#[test]
fn a_creation_that_failed_is_repeated() {
    one_comment_after(&|job| {
        let reply = problem(502, "Server Error");
        job.github.fault("POST", "/comments", Fault::Refuse(reply));
    });
}

#[test]
fn a_listing_that_fails_for_a_while_is_asked_again() {
    one_comment_after(&|job| {
        job.github.fault(
            "GET",
            "/comments",
            Fault::Refuse(problem(502, "Server Error")),
        );
        job.github.fault("GET", "/comments", Fault::LoseAnswer);
    });
}

#[test]
fn a_short_rate_limit_is_waited_for() {
    one_comment_after(&|job| {
        let limit = || problem(429, "slow down").with("Retry-After", "1");
        job.github
            .fault("POST", "/comments", Fault::Refuse(limit()));
        let second = problem(403, "secondary rate limit").with("Retry-After", "1");
        job.github.fault("POST", "/comments", Fault::Refuse(second));
    });
}

#[test]
fn a_long_rate_limit_is_not_waited_for() {
    let mut job = Job::new();
    let limit = problem(429, "slow down").with("Retry-After", "3600");
    job.github.fault("GET", "/comments", Fault::Refuse(limit));
    let started = std::time::Instant::now();
    let left = job.ci("broken", &[]).expect(1);
    assert!(started.elapsed() < Duration::from_secs(60));
    let notices = left.commands("notice");
    assert!(notices[0].contains("asks to wait 3600 s"), "{notices:?}");
    assert_eq!(job.github.comments().len(), 0);
}

#[test]
fn a_slow_answer_is_given_up() {
    let mut job = Job::new();
    for _ in 0..3 {
        job.github
            .fault("GET", "/comments", Fault::Slow(Duration::from_secs(20)));
    }
    let left = job
        .ci("broken", &[("TUNEGATE_REPORT_TIMEOUT", "1")])
        .expect(1);
    let notices = left.commands("notice");
    assert!(notices[0].contains("no answer to GET"), "{notices:?}");
}

#[test]
fn two_runs_that_meet_leave_one_comment() {
    let mut job = Job::new();
    job.ci("broken", &[]).expect(1);
    let (older, newer) = (marker_of(&job, 1), marker_of(&job, 900));
    for (marker, word) in [(older, "fail: "), (newer, "theirs")] {
        let mut job = Job::new();
        job.run = 5;
        let theirs = Comment {
            id: 50,
            body: format!("{marker}\n### theirs"),
            login: BOT.to_owned(),
            kind: "Bot".to_owned(),
        };
        job.github
            .fault("POST", "/comments", Fault::Meanwhile(theirs));
        job.ci("broken", &[]).expect(1);
        assert_eq!(job.github.comment().id, 50);
        says(&job, word);
    }
}

#[test]
fn a_comment_that_somebody_deletes_meanwhile_is_made_again() {
    let mut job = Job::new();
    job.ci("broken", &[]).expect(1);
    let first = job.github.comment();
    job.github.fault(
        "PATCH",
        "/comments",
        Fault::Refuse(problem(404, "Not Found")),
    );
    job.payload["pull_request"]["head"]["sha"] = "1".repeat(40).into();
    job.ci("broken", &[]).expect(1);
    // The tests' GitHub still has the first one, so the second is taken for a double and deleted.
    assert_eq!(job.github.comment().id, first.id);
    assert_eq!(
        job.github
            .writes()
            .iter()
            .filter(|write| *write == CREATE)
            .count(),
        2
    );
}

#[test]
fn two_programs_at_the_same_time_leave_the_comment_of_the_later_run() {
    let github = Job::new().github;
    for _ in 0..2 {
        github.fault("POST", "/comments", Fault::Slow(Duration::from_secs(1)));
    }
    let runs = [("broken", 1), ("no-such-folder", 2)];
    std::thread::scope(|scope| {
        for (tuned, run) in runs {
            let github = github.clone();
            scope.spawn(move || {
                let mut job = Job::new();
                job.github = github;
                job.run = run;
                job.ci(tuned, &[]);
            });
        }
    });
    let body = github.comment().body;
    assert!(
        body.contains(" run=2.1 ") && body.contains("no verdict"),
        "{body}"
    );
}

#[test]
fn a_server_of_ones_own_and_a_proxy_are_reached() {
    let mut job = Job::new();
    let server = format!("{}/api/v3", job.github.url());
    job.ci("broken", &[("GITHUB_API_URL", &server)]).expect(1);
    assert!(
        job.github
            .requests()
            .iter()
            .all(|request| request.contains(" /api/v3/repos/octo/"))
    );
    job.github.comment();
    let proxy = job.github.url();
    let inputs = [
        ("GITHUB_API_URL", "http://github.internal.example"),
        ("HTTP_PROXY", &proxy),
    ];
    job.ci("tuned", &inputs).expect(0);
    says(&job, "pass: ");
    let requests = job.github.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.contains(" http://github.internal.example/repos/")),
        "{requests:?}"
    );
}

#[test]
fn the_page_with_charts_is_linked_where_one_was_written() {
    let mut job = Job::new();
    let ci = |job: &mut Job, inputs: &[(&str, &str)]| {
        job.ci("broken", inputs).expect(1);
        job.github.comment().body
    };
    assert!(!ci(&mut job, &[]).contains("[charts]"));
    let mut job = Job::new();
    let page = ("TUNEGATE_EMIT", "html=page.html");
    let run = "[charts](https://github.example/octo/demo/actions/runs/1#artifacts)";
    assert!(ci(&mut job, &[page]).contains(run));
    let mut job = Job::new();
    let place = ("TUNEGATE_HTML_URL", "https://reports.example/page.html");
    let body = ci(&mut job, &[page, place]);
    assert!(
        body.contains("[charts](https://reports.example/page.html)"),
        "{body}"
    );
    let mut job = Job::new();
    let left = job.ci("broken", &[("TUNEGATE_HTML_URL", "javascript:alert(1)")]);
    let left = left.expect(1);
    assert!(
        left.commands("notice")
            .join("")
            .contains("TUNEGATE_HTML_URL")
    );
    assert!(!job.github.comment().body.contains("alert(1)"));
}
