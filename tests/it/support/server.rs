//! A web server on this machine, one connection a request, that remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as they came.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// First and last byte that were asked for.
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        Some((first.parse().unwrap(), last.parse().unwrap()))
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Breaks off after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Waits before the body.
    pub(crate) pause: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The part of `bytes` that the request asks for.
    pub(crate) fn ranged(request: &Request, bytes: &[u8]) -> Self {
        let size = bytes.len();
        match request.range() {
            None => Self::new(200, bytes),
            Some((first, _)) if first >= size => {
                Self::new(416, "").with("Content-Range", format!("bytes */{size}"))
            }
            Some((first, last)) => {
                let last = last.min(size - 1);
                let range = format!("bytes {first}-{last}/{size}");
                Self::new(206, &bytes[first..=last]).with("Content-Range", range)
            }
        }
        .with("Accept-Ranges", "bytes")
    }
}

/// One request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) request: Request,
    /// Bytes of the body that were sent.
    pub(crate) sent: usize,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Served>>>,
}

impl Server {
    /// Serves until the tests end.
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<dyn Fn(&Request) -> Reply + Send + Sync> = Arc::new(answer);
        let served = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, served) = (Arc::clone(&answer), Arc::clone(&served));
                std::thread::spawn(move || serve(&stream, &*answer, &served));
            }
        });
        Self { port, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> Vec<Served> {
        self.log.lock().unwrap().clone()
    }

    /// Requests whose path holds `part`.
    pub(crate) fn asked(&self, part: &str) -> Vec<Served> {
        let mut log = self.log();
        log.retain(|served| served.request.target.contains(part));
        log
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

fn serve(
    stream: &TcpStream,
    answer: &(dyn Fn(&Request) -> Reply + Send + Sync),
    log: &Mutex<Vec<Served>>,
) {
    let Some(request) = read(stream) else { return };
    let reply = answer(&request);
    let body: &[u8] = if request.method == "HEAD" {
        &[]
    } else {
        &reply.body
    };
    let sent = reply.cut.unwrap_or(body.len()).min(body.len());
    log.lock().unwrap().push(Served { request, sent });
    let mut head = format!("HTTP/1.1 {} x\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    if !reply
        .headers
        .iter()
        .any(|(name, _)| name == "Content-Length")
    {
        head.push_str(&["Content-Length: ", &reply.body.len().to_string(), "\r\n"].concat());
    }
    head.push_str("\r\n");
    // A client that has gone away is no failure of the server.
    let mut stream = stream;
    if stream.write_all(head.as_bytes()).is_ok() {
        std::thread::sleep(reply.pause);
        let _ = stream.write_all(&body[..sent]);
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // Closing with unread bytes would reset the connection under the client.
    let _ = stream.read(&mut [0; 64]);
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}
