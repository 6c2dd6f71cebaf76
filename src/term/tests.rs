use super::*;

#[derive(Debug, thiserror::Error)]
#[error("cannot read checkpoint `x\u{1b}[2J`")]
struct Outer(#[source] io::Error);

/// Refuses every write.
struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    assert!(write_document(&mut Refusing(io::ErrorKind::BrokenPipe), "text").is_ok());
    assert!(write_document(&mut Refusing(io::ErrorKind::StorageFull), "text").is_err());
    let mut written = Vec::new();
    write_document(&mut written, "text\n").unwrap();
    assert_eq!(written, b"text\n");
}

#[test]
fn an_error_shows_its_causes_and_one_hint() {
    let error = Outer(io::Error::other("header length 9 exceeds the limit"));
    let text = error_text(&error, Some("the file may be truncated"));
    insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
    error: cannot read checkpoint `x\u{1b}[2J`
      caused by: header length 9 exceeds the limit

    hint: the file may be truncated
    ");
}

#[test]
fn a_policy_error_keeps_its_lines() {
    let text = labelled(AnsiColor::Red, "error", "line 4\n  |\n4 | fail = 1.7");
    assert!(text.ends_with(" line 4\n  |\n4 | fail = 1.7\n"), "{text:?}");
}

#[test]
fn text_cannot_give_commands_to_a_ci_log() {
    assert_eq!(visible("::error::x"), "\\u{3a}:error::x");
    assert_eq!(visible("  ::add-mask::x"), "  \\u{3a}:add-mask::x");
    assert_eq!(visible("a ##[command]x"), "a \\u{23}#[command]x");
    assert_eq!(visible("std::fs # [x]"), "std::fs # [x]");
}

#[test]
fn quiet_and_silent_show_no_progress_object_that_prints() {
    for verbosity in [Verbosity::Silent, Verbosity::Quiet] {
        let printer = Printer::new(verbosity, Colour::Never, true);
        let progress = printer.progress();
        progress.start(1, 1);
        progress.advance(1, "layer");
        progress.finish();
    }
    assert!(Verbosity::Silent < Verbosity::Quiet && Verbosity::Quiet < Verbosity::Normal);
}

#[test]
fn the_asked_colour_wins_over_the_terminal() {
    let always = Printer::new(Verbosity::Normal, Colour::Always, false);
    let never = Printer::new(Verbosity::Normal, Colour::Never, false);
    assert!(always.document_has_colour());
    assert!(!never.document_has_colour());
}
