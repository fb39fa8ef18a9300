//! From a request to its answer.

use std::future::poll_fn;
use std::io::{Seek, SeekFrom};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use mesegate_content::{Hash, RemoteMedia, from_hex, to_hex};
use prometheus::IntCounter;

use super::body::Body;
use super::range::{Wanted, wanted};
use crate::metrics::Metrics;

/// The signature file's name (`client/clientmedia.cpp`, MTHASHSET_FILE_NAME).
const INDEX: &str = "index.mth";

/// Longest list of wanted hashes that a client posts: it cannot have been told of more files than
/// 16 bits can count in the older announcements, and twice as many leave room.
const POST_MAX: usize = 2 * 65_535 * 20 + 6;

/// Until that list must be there.
const POST_TIME: Duration = Duration::from_secs(30);

/// A content never changes under its hash.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The list of contents does.
const ASK_AGAIN: &str = "no-cache";

/// What a request asks for.
struct Content {
    size: u64,
    /// SHA-1 in hexadecimal digits.
    tag: String,
    cache: &'static str,
    source: Source,
}

enum Source {
    Memory(Bytes),
    File(std::fs::File),
}

/// Answers, and counts the answer by its code.
pub(super) async fn answer(
    request: Request<Incoming>,
    media: Arc<RemoteMedia>,
    metrics: &Metrics,
) -> Response<Body> {
    let sent = &metrics.media_http_bytes_total;
    let response = match route(request, media).await {
        Ok((content, head, method)) => respond(content, &head, &method, sent),
        Err(refusal) => refusal.response(sent),
    };
    let code = response.status();
    metrics.media_http_requests_total.with_label_values(&[code.as_str()]).inc();
    response
}

/// An answer without a content.
struct Refusal {
    code: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    const fn new(code: StatusCode) -> Self {
        Self { code, header: None }
    }

    const fn method(allowed: &'static str) -> Self {
        let header = Some((header::ALLOW, HeaderValue::from_static(allowed)));
        Self { code: StatusCode::METHOD_NOT_ALLOWED, header }
    }

    fn response(self, sent: &IntCounter) -> Response<Body> {
        let mut response = Response::new(Body::empty(sent));
        *response.status_mut() = self.code;
        response.headers_mut().extend(self.header);
        response
    }
}

/// Finds out what a request is for.
async fn route(
    request: Request<Incoming>,
    media: Arc<RemoteMedia>,
) -> Result<(Content, HeaderMap, Method), Refusal> {
    let (head, body) = request.into_parts();
    // Whatever path the public URL has, and whether a server in front cuts it off or not.
    let name = head.uri.path().rsplit('/').next().unwrap_or_default();
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    if name == INDEX {
        // Clients before 5.12 post the hashes that they want and take any list that has them
        // (`client/clientmedia.cpp`, initialStep): all get the same one.
        if head.method == Method::POST {
            skip(body).await.map_err(Refusal::new)?;
        } else if !reads {
            return Err(Refusal::method("GET, HEAD, POST"));
        }
        return Ok((open_index(&media), head.headers, head.method));
    }
    let Some(hash) = from_hex(name) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND));
    };
    if !reads {
        return Err(Refusal::method("GET, HEAD"));
    }
    let content = open(media, hash).await.ok_or(Refusal::new(StatusCode::NOT_FOUND))?;
    Ok((content, head.headers, head.method))
}

fn open_index(media: &RemoteMedia) -> Content {
    let index = media.index().clone();
    Content {
        size: index.len() as u64,
        tag: media.index_tag().to_owned(),
        cache: ASK_AGAIN,
        source: Source::Memory(index),
    }
}

async fn open(media: Arc<RemoteMedia>, hash: Hash) -> Option<Content> {
    let size = media.size(&hash)?;
    let file = tokio::task::spawn_blocking(move || media.open(&hash)).await.ok()??;
    Some(Content { size, tag: to_hex(&hash), cache: FOR_EVER, source: Source::File(file) })
}

/// Reads a request's body to its end and forgets it.
async fn skip(body: Incoming) -> Result<(), StatusCode> {
    let mut body = pin!(body);
    let read = async {
        let mut length = 0;
        while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > POST_MAX {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
        }
        Ok(())
    };
    tokio::time::timeout(POST_TIME, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

fn respond(
    content: Content,
    head: &HeaderMap,
    method: &Method,
    sent: &IntCounter,
) -> Response<Body> {
    let tag = format!("\"{}\"", content.tag);
    let text = |name: HeaderName| head.get(name).and_then(|value| value.to_str().ok());
    let mut response = Response::new(Body::empty(sent));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(content.cache));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Hexadecimal digits in quotes are a valid value.
    headers.extend(HeaderValue::try_from(&tag).ok().map(|value| (header::ETAG, value)));
    let reads = *method != Method::POST;
    if reads && text(header::IF_NONE_MATCH).is_some_and(|known| matches(known, &tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let same = text(header::IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    let range = text(header::RANGE).filter(|_| *method == Method::GET && same);
    let (first, length) = match wanted(range, content.size) {
        Wanted::All => (0, content.size),
        Wanted::Part { first, last } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set_range(&mut response, &format!("bytes {first}-{last}/{}", content.size));
            (first, last - first + 1)
        }
        Wanted::Nothing => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set_range(&mut response, &format!("bytes */{}", content.size));
            return response;
        }
    };
    if *method == Method::HEAD {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        return response;
    }
    match content.source {
        Source::Memory(bytes) => {
            // The range lies within the size, which is that of the bytes.
            let part = bytes.slice(first as usize..(first + length) as usize);
            *response.body_mut() = Body::of(part, sent);
        }
        Source::File(mut file) => match file.seek(SeekFrom::Start(first)) {
            Ok(_) => *response.body_mut() = Body::of_file(file, length, sent),
            Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
    response
}

fn set_range(response: &mut Response<Body>, range: &str) {
    let value = HeaderValue::try_from(range).ok();
    response.headers_mut().extend(value.map(|value| (header::CONTENT_RANGE, value)));
}

/// Whether a list of tags has this one. Weak ones count: this is about caches.
fn matches(known: &str, tag: &str) -> bool {
    let mut tags = known.split(',').map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(method: &Method, head: &[(HeaderName, &'static str)]) -> Response<Body> {
        let metrics = crate::metrics::Metrics::new().unwrap();
        let head = head.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect();
        let content = Content {
            size: 10,
            tag: "ab".into(),
            cache: FOR_EVER,
            source: Source::Memory(Bytes::from_static(b"0123456789")),
        };
        respond(content, &head, method, &metrics.media_http_bytes_total)
    }

    fn length(response: &Response<Body>) -> u64 {
        response.body().size_hint().exact().unwrap()
    }

    #[test]
    fn a_content_has_what_caches_need() {
        let whole = response(&Method::GET, &[]);
        assert_eq!(whole.status(), 200);
        assert_eq!(length(&whole), 10);
        assert_eq!(whole.headers()["etag"], "\"ab\"");
        assert_eq!(whole.headers()["cache-control"], "public, max-age=31536000, immutable");
        let head = response(&Method::HEAD, &[]);
        assert_eq!((head.status().as_u16(), length(&head)), (200, 0));
        assert_eq!(head.headers()["content-length"], "10");
    }

    #[test]
    fn a_part_is_sent_unless_the_content_is_another_one() {
        let range = (header::RANGE, "bytes=2-4");
        let part = response(&Method::GET, std::slice::from_ref(&range));
        assert_eq!((part.status().as_u16(), length(&part)), (206, 3));
        assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
        let same = response(&Method::GET, &[range.clone(), (header::IF_RANGE, "\"ab\"")]);
        assert_eq!(same.status(), 206);
        let other = response(&Method::GET, &[range.clone(), (header::IF_RANGE, "\"cd\"")]);
        assert_eq!((other.status().as_u16(), length(&other)), (200, 10));
        let posted = response(&Method::POST, &[range]);
        assert_eq!((posted.status().as_u16(), length(&posted)), (200, 10));
        let beyond = response(&Method::GET, &[(header::RANGE, "bytes=10-")]);
        assert_eq!((beyond.status().as_u16(), length(&beyond)), (416, 0));
        assert_eq!(beyond.headers()["content-range"], "bytes */10");
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        for known in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            let response = response(&Method::GET, &[(header::IF_NONE_MATCH, known)]);
            assert_eq!((response.status().as_u16(), length(&response)), (304, 0), "{known}");
        }
        assert_eq!(response(&Method::GET, &[(header::IF_NONE_MATCH, "\"x\"")]).status(), 200);
    }
}
