//! Answers as the bytes that go over a connection.

use std::cell::RefCell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::header;
use axum::response::IntoResponse;

use crate::problem::Problem;

/// Writes an answer of predictions; `last` tells the client that it is the connection's last.
pub(super) fn write_predictions(out: &mut Vec<u8>, json: &[u8], last: bool) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    write_rest(out, json, last);
}

/// Writes a refusal.
pub(super) async fn write_refusal(out: &mut Vec<u8>, problem: Problem, last: bool) {
    let (head, body) = problem.into_response().into_parts();
    let reason = head.status.canonical_reason().unwrap_or_default();
    // Memory takes what is written to it.
    let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", head.status.as_u16());
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // It is in memory already, whole.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    write_rest(out, &body, last);
}

fn write_rest(out: &mut Vec<u8>, body: &[u8], last: bool) {
    out.extend_from_slice(b"content-length: ");
    // As JSON has a number: made in a fraction of the time that a format takes.
    let _ = serde_json::to_writer(&mut *out, &body.len());
    out.extend_from_slice(b"\r\n");
    write_date(out, SystemTime::now());
    if last {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Writes the date header, made once a second.
fn write_date(out: &mut Vec<u8>, now: SystemTime) {
    thread_local! {
        static MADE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    MADE.with_borrow_mut(|(made, text)| {
        if *made != second {
            *made = second;
            *text = format!("date: {}\r\n", httpdate::fmt_http_date(now));
        }
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_says_its_length_and_the_time() {
        let mut out = Vec::new();
        write_predictions(&mut out, b"{}", false);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(lines[..3], ["HTTP/1.1 200 OK", "content-type: application/json", "content-length: 2"]);
        assert!(lines[3].starts_with("date: ") && lines[3].ends_with(" GMT") && lines.len() == 4, "{text}");
        assert_eq!(body, "{}");
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_headers() {
        let mut out = Vec::new();
        write_refusal(&mut out, Problem::unavailable("nobody"), true).await;
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\r\nretry-after: 1\r\n") && text.contains("\r\nconnection: close\r\n"),
            "{text}"
        );
        assert_eq!(text.matches("content-length").count(), 1);
        assert!(text.ends_with('}'), "{text}");
    }

    #[test]
    fn dates_follow_the_clock() {
        let dates = [784_111_777, 784_111_777, 784_111_778].map(|second| {
            let mut out = Vec::new();
            write_date(&mut out, UNIX_EPOCH + Duration::from_secs(second));
            String::from_utf8(out).unwrap()
        });
        assert_eq!(dates[0], "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!((&dates[1], &dates[2][..33]), (&dates[0], "date: Sun, 06 Nov 1994 08:49:38 G"));
    }
}
