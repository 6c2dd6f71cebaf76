//! The sticky comment, over the runs of a pull request.

use super::setup::Job;

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
    assert!(comment.body.contains("fail: "), "{}", comment.body);
    assert!(
        left.output("comment-url")
            .ends_with(&comment.id.to_string())
    );
    assert_eq!(left.output("verdict"), "fail");
    assert!(left.summary.contains("fail: "), "{}", left.summary);
}
