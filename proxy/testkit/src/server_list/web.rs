//! The web side of the list: one request a connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Most characters of the field.
const JSON: usize = 8192;

/// Most bytes of a request's body.
const BODY: usize = 65_536;

/// Reads a request and answers it. One that cannot be read is not answered.
pub(super) fn serve(
    mut stream: TcpStream,
    answer: impl FnOnce(Result<Value, (u16, String)>) -> (u16, String),
) {
    let limit = Some(Duration::from_secs(5));
    if stream.set_read_timeout(limit).is_err() || stream.set_write_timeout(limit).is_err() {
        return;
    }
    let Some(json) = read(&stream) else { return };
    let (status, text) = answer(json);
    // Who asked may be gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} \r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
}

/// The field `json` of a posted form; `None` if there is no whole request.
fn read(stream: &TcpStream) -> Option<Result<Value, (u16, String)>> {
    let mut reader = BufReader::new(stream.take(2 * BODY as u64));
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let to_announce = line.starts_with("POST /announce ");
    let (mut length, mut boundary, mut expects) = (0, None, false);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "content-type" => boundary = value.split("boundary=").nth(1).map(str::to_owned),
            "expect" => expects = true,
            _ => {}
        }
    }
    if length > BODY {
        return Some(Err((413, "too long".into())));
    }
    if expects {
        let mut writer: &TcpStream = stream;
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if !to_announce {
        return Some(Err((404, "nothing is there".into())));
    }
    let body = String::from_utf8_lossy(&body);
    let refused = |what: &str| Some(Err((400, what.to_owned())));
    let Some(boundary) = boundary else { return refused("no multipart form") };
    let Some(json) = field(&body, boundary.trim().trim_matches('"')) else {
        return refused("no field json");
    };
    if json.chars().count() > JSON {
        return Some(Err((413, "JSON data is too big.".into())));
    }
    match serde_json::from_str(json) {
        Ok(json) => Some(Ok(json)),
        Err(error) => refused(&format!("no JSON: {error}")),
    }
}

/// The content of the part with the name `json`.
fn field<'a>(body: &'a str, boundary: &str) -> Option<&'a str> {
    let delimiter = format!("--{boundary}");
    body.split(&*delimiter).find_map(|part| {
        let (head, content) = part.split_once("\r\n\r\n")?;
        let named = head.to_ascii_lowercase().contains("form-data; name=\"json\"");
        named.then(|| content.strip_suffix("\r\n"))?
    })
}
