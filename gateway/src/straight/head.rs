//! The head of a request, as far as the straight way has to know it. Pure.

use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, Request, Status};

use crate::routes::predict;

/// Headers of a request that takes the straight way.
const HEADERS_MAX: usize = 32;

/// Bytes of a body that takes the straight way. Larger ones have to be counted as they come.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A request for predictions of the plainest kind, by the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    /// Where the model's name stands.
    pub(super) model: Range<usize>,
    /// Where the body stands, once all of it is there.
    pub(super) body: Range<usize>,
}

impl Plain {
    /// What `read` begins with, where it is a whole head of the plainest kind: predictions by the channel that the body names,
    /// JSON as it is (whatever the client calls it), of a length that the head says.
    pub(super) fn of(read: &[u8]) -> Option<Plain> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut headers);
        let Ok(Status::Complete(head_bytes)) = request.parse(read) else { return None };
        if request.method != Some("POST") || request.version != Some(1) {
            return None;
        }
        let model = request.path?.strip_prefix("/v1/models/")?.strip_suffix("/predict")?;
        if model.is_empty() || !model.bytes().all(is_of_a_name) {
            return None;
        }
        let body_bytes = body_bytes(request.headers)?;
        let model_begin = model.as_ptr() as usize - read.as_ptr() as usize;
        Some(Plain {
            model: model_begin..model_begin + model.len(),
            body: head_bytes..head_bytes + body_bytes,
        })
    }
}

/// Bytes that stand in a path as they are.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The body's length, where no header asks for more than JSON for JSON.
fn body_bytes(headers: &[Header]) -> Option<usize> {
    let (mut length, mut kind) = (None, None);
    for Header { name, value } in headers {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // Told apart by their length first: most headers are none of these.
        let is_plain = match name.len() {
            14 if is("content-length") => length.replace(number(value)?).is_none(),
            12 if is("content-type") => kind.replace(*value).is_none(),
            10 if is("connection") => value.eq_ignore_ascii_case(b"keep-alive"),
            17 if is("transfer-encoding") => false,
            16 if is("content-encoding") => false,
            6 if is("expect") => false,
            7 if is("upgrade") => false,
            _ => true,
        };
        if !is_plain {
            return None;
        }
    }
    let is_stream = match kind.unwrap_or_default() {
        b"application/json" => false,
        kind => predict::stream_of(std::str::from_utf8(kind).ok()?).is_some(),
    };
    length.filter(|length| !is_stream && *length <= BODY_BYTES_MAX)
}

/// Digits and nothing else, as RFC 9112 has it.
fn number(value: &[u8]) -> Option<usize> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(line: &str, headers: &[&str]) -> Vec<u8> {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("{line}\r\n{headers}\r\n").into_bytes()
    }

    const LINE: &str = "POST /v1/models/delay/predict HTTP/1.1";
    const JSON: &str = "Content-Type: application/json";

    #[test]
    fn what_is_plain_is_found_where_it_stands() {
        let mut read =
            head(LINE, &["Host: a", JSON, "content-length: 2", "Connection: Keep-Alive", "Accept: */*"]);
        let head_bytes = read.len();
        read.extend_from_slice(b"{}POST /");
        let plain = Plain::of(&read).unwrap();
        assert_eq!((&read[plain.model], &read[plain.body.clone()]), (&b"delay"[..], &b"{}"[..]));
        assert_eq!(plain.body, head_bytes..head_bytes + 2);
        assert_eq!(Plain::of(&read[..head_bytes]).unwrap().body, head_bytes..head_bytes + 2);
        for kind in [
            "",
            "Content-Type: application/json; charset=utf-8",
            "Content-Type: application/x-www-form-urlencoded",
        ] {
            let headers = [kind, "Content-Length: 2"];
            let headers = headers.iter().copied().filter(|header| !header.is_empty()).collect::<Vec<_>>();
            assert!(Plain::of(&head(LINE, &headers)).is_some(), "{kind}");
        }
    }

    #[test]
    fn all_else_goes_the_other_way() {
        let lines = [
            "GET /v1/models/delay/predict HTTP/1.1",
            "POST /v1/models/delay/predict HTTP/1.0",
            "POST /v1/models/delay/predict?channel=next HTTP/1.1",
            "POST /v1/models/a/b/predict HTTP/1.1",
            "POST /v1/models/%61/predict HTTP/1.1",
            "POST /v1/models//predict HTTP/1.1",
            "POST http://host/v1/models/delay/predict HTTP/1.1",
            "POST /v2/models/delay/infer HTTP/1.1",
        ];
        let length = "Content-Length: 2";
        assert!(lines.iter().all(|line| Plain::of(&head(line, &[JSON, length])).is_none()));
        let headers: [&[&str]; 13] = [
            &[JSON],
            &[JSON, length, length],
            &[JSON, JSON, length],
            &[JSON, "Content-Length: 262145"],
            &[JSON, "Content-Length: +2"],
            &[JSON, "Content-Length: "],
            &["Content-Type: application/x-ndjson", length],
            &["Content-Type: application/vnd.apache.arrow.stream; a=b", length],
            &[JSON, length, "Connection: close"],
            &[JSON, length, "Transfer-Encoding: chunked"],
            &[JSON, length, "Content-Encoding: gzip"],
            &[JSON, length, "Expect: 100-continue"],
            &[JSON, length, "Upgrade: h2c"],
        ];
        headers.iter().for_each(|headers| assert_eq!(Plain::of(&head(LINE, headers)), None, "{headers:?}"));
        assert_eq!(Plain::of(&head(LINE, &vec!["A: b"; HEADERS_MAX + 1])), None);
        assert_eq!(Plain::of(b"POST /v1/models/delay/predict HTTP/1.1\r\nContent-Le"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_fault(read in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Plain::of(&read), None);
        }
    }
}
