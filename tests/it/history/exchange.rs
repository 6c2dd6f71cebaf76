//! Export and import.

use super::{Store, nights, on_each_store, quiet};

fn accept(store: &Store, by: &str) {
    let args = ["--last", "--by", by, "--reason", "seen"];
    store.run("accept", &args).expect_code(0);
}

fn import(store: &Store, lines: &str) -> String {
    let file = store.write("lines.jsonl", lines);
    store.run("import", &[&file]).expect_code(0).stdout
}

#[test]
fn an_export_makes_the_same_store_again_and_only_once() {
    on_each_store("export_again", |store| {
        for day in 1..=3 {
            store.record(day, &nights().report(day, &quiet()));
        }
        accept(store, "ana");
        let lines = store.export();
        assert_eq!(lines.lines().count(), 4);
        // A store of either kind gives the same bytes.
        let copy = Store::file();
        assert!(import(&copy, &lines).contains("3 runs and 1 acts imported, 0 known"));
        assert_eq!(copy.export(), lines);
        assert!(import(&copy, &lines).contains("0 runs and 0 acts imported, 4 known"));
        assert_eq!(copy.export(), lines);
        assert_eq!(copy.runs(), store.runs());
        // Later runs only add lines.
        store.record(9, &nights().report(9, &quiet()));
        assert!(
            store
                .export()
                .starts_with(&lines[..lines.rfind("{\"kind\":\"accept\"").unwrap()])
        );
        let since = store
            .run("export", &["--since", "2026-03-03T00:00:00Z"])
            .expect_code(0);
        assert_eq!(
            since
                .stdout
                .lines()
                .filter(|line| line.contains("\"kind\":\"run\""))
                .count(),
            2
        );
    });
}

#[test]
fn two_histories_that_went_apart_join_in_whichever_order() {
    on_each_store("joined", |store| {
        let other = Store::file();
        store.record(1, &nights().report(1, &quiet()));
        other.record(2, &nights().report(1, &quiet()));
        store.record(3, &nights().report(3, &quiet()));
        other.record(4, &nights().failed(4, &quiet()));
        accept(store, "ana");
        accept(&other, "bo");
        let (mine, theirs) = (store.export(), other.export());
        let joined: Vec<String> = [[&mine, &theirs], [&theirs, &mine]]
            .map(|order| {
                let target = Store::file();
                for lines in order {
                    import(&target, lines);
                }
                target.export()
            })
            .to_vec();
        assert_eq!(joined[0], joined[1]);
        import(store, &theirs);
        assert_eq!(store.export(), joined[0]);
        // The run that both had keeps its earlier time.
        assert_eq!(store.runs().len(), 3);
        assert_eq!(store.runs()[0]["recorded"], super::time(1));
    });
}

#[test]
fn one_wrong_line_and_nothing_is_imported() {
    on_each_store("garbled", |store| {
        let source = Store::file();
        for day in 1..=3 {
            source.record(day, &nights().report(day, &quiet()));
        }
        accept(&source, "ana");
        let lines = source.export();
        let rows: Vec<&str> = lines.lines().collect();
        let garble = |line: usize, text: &str| {
            let mut rows = rows.clone();
            rows[line] = text;
            rows.join("\n")
        };
        let truncated = &rows[1][..rows[1].len() / 2];
        let forged = rows[1]
            .replace("s3://nights/2", "s3://nights/9")
            .replace("\"main\"", "\"m\"");
        let orphan = rows[3].replace("\"run\":\"", "\"run\":\"00");
        for (text, number) in [
            (garble(1, truncated), 2),
            (garble(1, &forged), 2),
            (garble(2, "<<<<<<< HEAD"), 3),
            (
                garble(0, &rows[0].replace("\"format\":1", "\"format\":7")),
                1,
            ),
            (garble(3, &orphan), 4),
            (format!("\n\n\n{}", rows[3]), 4),
        ] {
            let file = store.write("garbled.jsonl", &text);
            let ran = store.run("import", &[&file]).expect_code(2);
            let place = format!("line {number} of");
            assert!(ran.stderr.contains(&place), "{place}: {}", ran.stderr);
            assert!(ran.stderr.contains("garbled.jsonl"), "{}", ran.stderr);
            let shown = store.run("show", &[]).expect_code(2);
            assert!(shown.stderr.contains("no history at"), "{}", shown.stderr);
            if store.is_file() {
                assert!(!store.path("nights.db").exists(), "line {number}");
            } else {
                let made = "SELECT COUNT(*) FROM information_schema.tables \
                    WHERE table_name LIKE 'tunegate%'";
                assert_eq!(store.number(made), 0);
            }
        }
        // Nor does a wrong line change what is there.
        store.record(9, &nights().report(9, &quiet()));
        let before = store.export();
        let file = store.write("garbled.jsonl", &garble(3, &orphan));
        store.run("import", &[&file]).expect_code(2);
        assert_eq!(store.export(), before);
    });
}

#[test]
fn an_export_that_was_edited_on_windows_is_read() {
    let source = Store::file();
    for day in 1..=2 {
        source.record(day, &nights().report(day, &quiet()));
    }
    accept(&source, "ana");
    let lines = source.export();
    let windows = format!("\u{feff}{}", lines.replace('\n', "\r\n"));
    // Files that were put together have the mark in between, too.
    for edited in [windows.clone(), [windows.as_str(), &windows].concat()] {
        let copy = Store::file();
        import(&copy, &edited);
        assert_eq!(copy.export(), lines);
    }
}
