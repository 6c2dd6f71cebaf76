//! `tunegate demo`: the gate on a small real base and two fine-tunes that are carried in the
//! program. How they were trained is in `tests/fixtures/demo`.

use std::path::{Path, PathBuf};

use super::check::{Sides, compare_whole};
use super::emit::{self, Emit};
use super::judged::{self, Format};
use super::{CommandError, Outcome};
use crate::cli::{CheckFormat, DemoArgs, RemoteArgs};
use crate::error::ExitStatus;
use crate::fs::{self, FsError};
use crate::policy::Policy;
use crate::report::{Templates, human};
use crate::term::Printer;

macro_rules! carried {
    ($name:literal) => {
        Carried {
            name: $name,
            weights: include_bytes!(concat!(
                "../../tests/fixtures/demo/",
                $name,
                "/model.safetensors"
            )),
            config: include_bytes!(concat!("../../tests/fixtures/demo/", $name, "/config.json")),
        }
    };
}

/// A checkpoint in the program.
#[derive(Debug, Clone, Copy)]
struct Carried {
    name: &'static str,
    weights: &'static [u8],
    config: &'static [u8],
}

const BASE: Carried = carried!("base");
const TUNED: [Carried; 2] = [carried!("sound"), carried!("broken")];
/// A demo has no timings, parts or outputs to give.
const FORMATS: &[(&str, Format)] = &[
    ("human", Format::Report(CheckFormat::Human)),
    ("json", Format::Report(CheckFormat::Json)),
    ("markdown", Format::Report(CheckFormat::Markdown)),
    ("html", Format::Report(CheckFormat::Html)),
];

const POLICY: &str = "sft";
/// Stands for the folder of a demo that keeps nothing: a temporary one would be a path that is gone.
const FOLDER: &str = "demo";

pub(super) fn run(args: &DemoArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    if let Some(folder) = &args.keep {
        return judge_all(folder, folder, args, printer);
    }
    let folder = tempfile::tempdir()
        .map_err(|source| FsError::new("create", &std::env::temp_dir(), source))?;
    judge_all(folder.path(), Path::new(FOLDER), args, printer)
}

/// Both verdicts, one after the other. The demo is a success when it ran: the second verdict is
/// meant to be a failure. The checkpoints lie in `folder` and are named as if in `shown`.
fn judge_all(
    folder: &Path,
    shown: &Path,
    args: &DemoArgs,
    printer: &Printer,
) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let templates = Templates::new(None)?;
    let policy = Policy::load(POLICY)?;
    let base = write(folder, BASE)?;
    let mut document = String::new();
    let mut verdicts = Vec::new();
    for carried in TUNED {
        let tuned = write(folder, carried)?;
        let sides = Sides {
            base: &base,
            tuned: &tuned,
            adapter: None,
        };
        let (mut comparison, _) =
            compare_whole(sides, &args.work, &RemoteArgs::default(), printer)?;
        let name = |carried: Carried| shown.join(carried.name).display().to_string();
        comparison.base.reference = name(BASE);
        comparison.tuned.reference = name(carried);
        let command = format_heading(&comparison.base.reference, &comparison.tuned.reference);
        let report = judged::report(comparison, &policy, false);
        for Emit { format, path } in &emits {
            if let Format::Report(format) = *format {
                let layout = human::Layout::default();
                let text = judged::render(&report, format, &templates, layout)?;
                fs::write_atomic(&beside(path, carried.name), text.as_bytes())?;
            }
        }
        document.push_str(&command);
        let layout = super::layout(printer);
        document.push_str(&judged::render(
            &report,
            CheckFormat::Human,
            &templates,
            layout,
        )?);
        document.push('\n');
        verdicts.push(format!(
            "{}: {}",
            carried.name,
            report.judgement.verdict.as_str()
        ));
    }
    document.push_str(&verdicts.join("\n"));
    document.push('\n');
    Ok(Outcome {
        document,
        status: ExitStatus::Sound,
    })
}

/// `report.html` of the checkpoint `sound` is `report-sound.html`.
fn beside(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = match path.extension() {
        Some(extension) => format!("{stem}-{name}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{name}"),
    };
    path.with_file_name(file)
}

fn format_heading(base: &str, tuned: &str) -> String {
    format!("$ tunegate check --base {base} --tuned {tuned} --policy {POLICY}\n")
}

/// Writes one carried checkpoint and returns its reference.
fn write(folder: &Path, carried: Carried) -> Result<String, CommandError> {
    let target = folder.join(carried.name);
    fs::create_dir_all(&target)?;
    fs::write_atomic(&target.join("model.safetensors"), carried.weights)?;
    fs::write_atomic(&target.join("config.json"), carried.config)?;
    Ok(target.display().to_string())
}
