//! Comma-separated values by RFC 4180, safe to open in a spreadsheet.

/// The header and the rows, each ended by CR LF. A cell is quoted where it must be.
pub fn write<Row>(header: &[&str], rows: impl IntoIterator<Item = Row>) -> String
where
    Row: IntoIterator<Item = String>,
{
    let mut out = String::new();
    push_record(&mut out, header.iter().map(|name| (*name).to_owned()));
    for row in rows {
        push_record(&mut out, row);
    }
    out
}

/// Text from a checkpoint for a cell: a spreadsheet takes a leading `=`, `+`, `-`, `@`, tab or line
/// end for a formula, so such a cell gets an apostrophe in front.
pub fn text_cell(text: &str) -> String {
    let escaped = super::escape::terminal(text);
    if escaped.starts_with(['=', '+', '-', '@', '|', '%']) {
        format!("'{escaped}")
    } else {
        escaped
    }
}

/// A number with the shortest digits that read back to it; empty where there is none.
pub fn number_cell(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(String::new, |value| super::json::number(value).to_string())
}

fn push_record(out: &mut String, cells: impl IntoIterator<Item = String>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one document back, by the grammar of RFC 4180.
    fn parse(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
        let mut quoted = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    cell.push('"');
                    characters.next();
                }
                '"' => quoted = !quoted,
                ',' if !quoted => record.push(std::mem::take(&mut cell)),
                '\n' if !quoted => {
                    record.push(std::mem::take(&mut cell));
                    records.push(std::mem::take(&mut record));
                }
                '\r' if !quoted => {}
                other => cell.push(other),
            }
        }
        records
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(rows in proptest::collection::vec(
            proptest::collection::vec("[a\",\n\r =+]{0,6}", 3), 0..5)) {
            let text = write(&["a", "b", "c"], rows.clone());
            let mut read = parse(&text);
            prop_assert_eq!(read.remove(0), ["a", "b", "c"]);
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_name_starts_a_formula(name in "[=+@|%a\t\n-]{0,5}") {
            prop_assert!(!text_cell(&name).starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']));
        }
    }

    #[test]
    fn numbers_are_exact_and_missing_ones_empty() {
        assert_eq!(number_cell(Some(75.0)), "75");
        assert_eq!(number_cell(Some(0.1 + 0.2)), "0.30000000000000004");
        assert_eq!(number_cell(None), "");
        assert_eq!(number_cell(Some(f64::NAN)), "");
    }
}
