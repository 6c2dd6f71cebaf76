//! Folders and files behind web servers that cannot list.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::cmd::{Ran, run};
use crate::support::server::{Reply, Server};
use crate::support::store::{free_port, installed, start};
use crate::support::tiny::{TinyCheckpoint, TinyTensor};

/// Serves a folder's files below `/models/x/`, with a tag that changes after `stable` answers.
fn serve(folder: &Path, stable: usize) -> Server {
    let names = tunegate::fs::list(folder).unwrap();
    let files: BTreeMap<String, Vec<u8>> = names
        .into_iter()
        .map(|name| {
            let bytes = tunegate::fs::read(&folder.join(&name)).unwrap();
            (format!("/models/x/{name}"), bytes)
        })
        .collect();
    let answered = Arc::new(AtomicUsize::new(0));
    Server::start(move |request| {
        let Some(bytes) = files.get(request.path()) else {
            return Reply::new(404, "<html>not found</html>");
        };
        let is_weights = request.path().ends_with(".safetensors") && request.method == "GET";
        let before = if is_weights {
            answered.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        let tag = if before < stable {
            "\"first\""
        } else {
            "\"second\""
        };
        if request
            .header("if-match")
            .is_some_and(|wanted| wanted != tag)
        {
            return Reply::new(412, "");
        }
        Reply::ranged(request, bytes).with("ETag", tag)
    })
}

fn model() -> TinyCheckpoint {
    TinyCheckpoint::model().file("tokenizer.json", "{}")
}

fn ballast(checkpoint: TinyCheckpoint) -> TinyCheckpoint {
    let name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    checkpoint.tensor(name, TinyTensor::new(&[3 << 20], vec![0.5; 3 << 20]))
}

#[track_caller]
fn scan(reference: &str, code: i32) -> Ran {
    run(&["scan", reference, "--format", "json"]).expect_code(code)
}

#[test]
fn a_folder_and_a_file_are_read_by_range_and_a_signature_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    for (shards, checkpoint) in [(1, model()), (3, model().shards(3)), (1, ballast(model()))] {
        let folder = checkpoint.write(&home.path().join(format!("{shards}")));
        let server = serve(&folder, usize::MAX);
        let local = scan(&folder.display().to_string(), 0).json();
        let url = format!("{}/models/x", server.url());
        let mut references = vec![url.clone(), format!("{url}/"), format!("{url}?sig=secret")];
        if shards == 1 {
            references.push(format!("{url}/model.safetensors"));
            references.push(format!("{url}/model.safetensors?sig=secret"));
        }
        for reference in references {
            server.forget();
            let ran = scan(&reference, 0);
            assert_eq!(ran.json()["layers"], local["layers"]);
            assert!(!ran.stdout.contains("secret"));
            let signed = reference.contains("secret");
            let all = server.asked("safetensors");
            assert!(
                all.iter()
                    .all(|served| served.request.target.contains("sig=secret") == signed)
            );
        }
    }
}

#[test]
fn an_address_that_is_signed_for_get_and_one_file_does() {
    let home = tempfile::tempdir().unwrap();
    let folder = model().write(home.path());
    let bytes = tunegate::fs::read(&folder.join("model.safetensors")).unwrap();
    let server = Server::start(move |request| {
        let is_signed = request.target == "/models/x/model.safetensors?sig=secret";
        if request.method == "GET" && is_signed {
            Reply::ranged(request, &bytes)
        } else {
            Reply::new(403, "")
        }
    });
    let url = format!("{}/models/x/model.safetensors?sig=secret", server.url());
    let local = scan(&folder.display().to_string(), 0).json();
    assert_eq!(scan(&url, 0).json()["layers"], local["layers"]);
}

#[test]
fn a_file_that_is_replaced_meanwhile_is_no_verdict() {
    let home = tempfile::tempdir().unwrap();
    let folder = ballast(model()).write(home.path());
    let server = serve(&folder, 1);
    let ran = scan(&format!("{}/models/x", server.url()), 2);
    assert!(ran.stderr.contains("was replaced while"), "{}", ran.stderr);
    assert!(ran.stderr.contains("model.safetensors"), "{}", ran.stderr);
}

#[test]
fn a_place_with_nothing_in_it_is_no_verdict() {
    let server = Server::start(|_| Reply::new(404, ""));
    let ran = scan(&format!("{}/none", server.url()), 2);
    assert!(
        ran.stderr.contains("no `.safetensors` file"),
        "{}",
        ran.stderr
    );
    let ran = scan(&format!("{}/none/model.safetensors", server.url()), 2);
    assert!(ran.stderr.contains("no such file"), "{}", ran.stderr);
    let server = Server::start(|_| Reply::new(403, "<html>secret page</html>"));
    let ran = scan(&format!("{}/none", server.url()), 2);
    assert!(ran.stderr.contains("access is denied"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("page"), "{}", ran.stderr);
}

#[test]
fn plain_http_from_another_machine_and_secrets_in_a_reference_are_refused() {
    for reference in [
        "http://example.org/x",
        "https://user:secret@example.org/x",
        "ftp://example.org/x",
    ] {
        let ran = scan(reference, 2);
        assert!(
            ran.stderr.contains("cannot use the reference"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}

#[test]
fn a_common_web_server_does() {
    let Some(program) = installed("/usr/sbin/nginx") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let folder = ballast(model()).write(&home.path().join("models"));
    let port = free_port();
    let root = home.path().display();
    let temporary: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
        .collect();
    let settings = format!(
        "daemon off; master_process off; user root; pid {root}/pid; error_log {root}/errors;
         events {{}}
         http {{ access_log off; {} server {{ listen 127.0.0.1:{port}; root {root}; }} }}",
        temporary.concat()
    );
    let path = home.path().join("nginx.conf");
    tunegate::fs::write_atomic(&path, settings.as_bytes()).unwrap();
    let mut process = start(Command::new(program).arg("-c").arg(&path), port);
    let local = scan(&folder.display().to_string(), 0).json();
    let remote = run(&[
        "scan",
        &format!("http://127.0.0.1:{port}/models"),
        "--format",
        "json",
    ]);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(remote.expect_code(0).json()["layers"], local["layers"]);
}
