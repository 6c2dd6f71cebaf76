//! A check run of our own, for those who ask for it. GitHub may show it under another workflow of the
//! same commit, which is why the job itself is the usual required check.

use serde::Deserialize;
use serde_json::{Value, json};

use super::annotate::Remark;
use super::client::Client;
use super::{CommitSha, GitHubError, Repository};
use crate::code::Level;
use crate::verdict::Verdict;

/// Annotations of one request.
const PAGE: usize = 50;
/// Annotations of a check run; more help nobody.
const MOST: usize = 500;
/// Most bytes of the summary; GitHub takes 65,535 characters.
pub const SUMMARY_LIMIT: usize = 60_000;

/// What a check run says.
#[derive(Debug)]
pub struct CheckRun<'a> {
    pub name: String,
    pub head: &'a CommitSha,
    /// `None` where the run could not judge.
    pub verdict: Option<Verdict>,
    pub title: String,
    /// Markdown, at most [`SUMMARY_LIMIT`] bytes.
    pub summary: String,
    pub remarks: &'a [Remark],
    pub details_url: Option<&'a str>,
    pub external_id: &'a str,
}

#[derive(Debug, Deserialize)]
struct Created {
    id: u64,
}

impl CheckRun<'_> {
    /// Creates it completed, then appends the annotations beyond the first fifty.
    pub fn publish(&self, client: &Client, repository: &Repository) -> Result<(), GitHubError> {
        let mut annotations: Vec<Value> = self.remarks.iter().filter_map(annotation).collect();
        let hidden = annotations.len().saturating_sub(MOST);
        annotations.truncate(MOST);
        let mut pages = annotations.chunks(PAGE);
        let mut body = json!({
            "name": self.name,
            "head_sha": self.head.as_str(),
            "status": "completed",
            "conclusion": self.conclusion(),
            "external_id": self.external_id,
            "output": self.output(pages.next().unwrap_or_default(), hidden),
        });
        if let (Some(url), Some(fields)) = (self.details_url, body.as_object_mut()) {
            fields.insert("details_url".to_owned(), url.into());
        }
        let path = format!("/repos/{repository}/check-runs");
        let created: Created = client.post("create the check run", &path, &body)?;
        for page in pages {
            let path = format!("{path}/{}", created.id);
            let body = json!({ "output": self.output(page, hidden) });
            let _same: Created = client.append("add annotations to the check run", &path, &body)?;
        }
        Ok(())
    }

    /// `neutral` neither blocks nor approves; the exit code of the job blocks.
    fn conclusion(&self) -> &'static str {
        match self.verdict {
            Some(Verdict::Pass | Verdict::Warn) => "success",
            Some(Verdict::Inconclusive) => "neutral",
            Some(Verdict::Fail) | None => "failure",
        }
    }

    /// `hidden` annotations are beyond what a check run shows.
    fn output(&self, annotations: &[Value], hidden: usize) -> Value {
        let more = match hidden {
            0 => String::new(),
            _ => format!(
                "
{hidden} more annotations: see the JSON report.
"
            ),
        };
        json!({
            "title": self.title,
            "summary": format!("{}{more}", self.summary),
            "annotations": annotations,
        })
    }
}

/// `None` for a remark without a file: GitHub refuses an annotation without one.
fn annotation(remark: &Remark) -> Option<Value> {
    let line = remark.line.unwrap_or(1);
    let level = match remark.level {
        Level::Fail => "failure",
        Level::Warn => "warning",
        Level::Note => "notice",
    };
    Some(json!({
        "path": remark.path.as_ref()?,
        "start_line": line,
        "end_line": line,
        "annotation_level": level,
        "title": remark.title,
        "message": remark.message,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_beyond_the_most_are_counted() {
        let head = "ce587453ced02b1526dfb4cb910479d431683101".parse().unwrap();
        let run = CheckRun {
            name: String::new(),
            head: &head,
            verdict: None,
            title: "t".to_owned(),
            summary: "s".to_owned(),
            remarks: &[],
            details_url: None,
            external_id: "",
        };
        assert_eq!(run.output(&[], 0)["summary"], "s");
        assert_eq!(
            run.output(&[], 7)["summary"],
            "s\n7 more annotations: see the JSON report.\n"
        );
    }

    #[test]
    fn an_inconclusive_run_is_neutral_and_one_without_a_verdict_fails() {
        let head = "ce587453ced02b1526dfb4cb910479d431683101".parse().unwrap();
        let conclusion = |verdict| {
            let run = CheckRun {
                name: String::new(),
                head: &head,
                verdict,
                title: String::new(),
                summary: String::new(),
                remarks: &[],
                details_url: None,
                external_id: "",
            };
            run.conclusion()
        };
        assert_eq!(conclusion(Some(Verdict::Pass)), "success");
        assert_eq!(conclusion(Some(Verdict::Warn)), "success");
        assert_eq!(conclusion(Some(Verdict::Inconclusive)), "neutral");
        assert_eq!(conclusion(Some(Verdict::Fail)), "failure");
        assert_eq!(conclusion(None), "failure");
    }
}
