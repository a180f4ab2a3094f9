//! A request's body: whole, in time, unpacked, and bounded at each of these.

use std::io::Read;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use schemas::limits::PREDICT_BODY_BYTES_MAX;
use tokio::sync::Semaphore;

use crate::app::{App, Shared};
use crate::problem::Problem;
use crate::room::Place;

/// Packed bodies of up to so many bytes are unpacked at once; larger ones where nothing else waits.
const UNPACKED_HERE_MAX: usize = 16 * 1024;

/// Larger bodies that are unpacked at once, in the whole process: each may become a thousand times as large, which costs its
/// sender nothing.
static UNPACKING: Semaphore = Semaphore::const_new(4);

/// A body as it was before it was packed (`content-encoding: gzip` or `deflate`).
#[derive(Debug)]
pub struct Payload {
    /// The body.
    pub body: Bytes,
    /// Its memory, to be held until what was read of it is answered.
    pub place: Place,
}

impl FromRequest<Shared> for Payload {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, app: &Shared) -> Result<Payload, Problem> {
        let packing = Packing::of(request.headers())?;
        let place = app.room.place(size_told(request.headers()), app.deadline).await?;
        let body = tokio::time::timeout(app.deadline, Bytes::from_request(request, app)).await;
        let body = body.map_err(|_| too_slow(app.deadline))?.map_err(unreadable)?;
        match packing {
            None => Ok(Payload { body, place }),
            Some(packing) => unpacked(packing, body, app).await,
        }
    }
}

/// How large a body says that it will be; one that does not say may be of any size that is taken.
fn size_told(headers: &HeaderMap) -> usize {
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match headers.contains_key(header::TRANSFER_ENCODING) {
        true => PREDICT_BODY_BYTES_MAX,
        // What is larger is refused before it is read.
        false => told.filter(|bytes| *bytes <= PREDICT_BODY_BYTES_MAX).unwrap_or(0),
    }
}

/// Goes through it twice: what is too large is known before it takes any memory, and the rest takes no more than it needs.
async fn unpacked(packing: Packing, packed: Bytes, app: &App) -> Result<Payload, Problem> {
    let (is_small, again) = (packed.len() <= UNPACKED_HERE_MAX, packed.clone());
    let size = unpacking(is_small, app, move || packing.size(&again)).await?;
    let place = app.room.place(size, app.deadline).await?;
    let body = unpacking(is_small, app, move || packing.unpack(&packed, size)).await?;
    Ok(Payload { body, place })
}

async fn unpacking<T, F>(is_small: bool, app: &App, job: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Problem> + Send + 'static,
{
    if is_small {
        return job();
    }
    let place = tokio::time::timeout(app.deadline, UNPACKING.acquire()).await;
    let _place = place.map_err(|_| no_place())?;
    app.background.spawn_blocking(job).await.map_err(Problem::internal)?
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Deflate,
}

/// Refuses what is packed, where a body is read as it comes.
///
/// # Errors
/// A 415 that names the encoding.
pub fn check_unpacked(headers: &HeaderMap) -> Result<(), Problem> {
    match Packing::of(headers)? {
        None => Ok(()),
        Some(_) => {
            let detail =
                "a stream is answered as it comes: send it without the content-encoding gzip or deflate";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported encoding", detail))
        }
    }
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Option<Packing>, Problem> {
        match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => Ok(None),
            Some(b"gzip" | b"x-gzip") => Ok(Some(Packing::Gzip)),
            Some(b"deflate") => Ok(Some(Packing::Deflate)),
            Some(other) => {
                let detail = format!(
                    "content-encoding `{}` is not taken; send gzip, deflate or none",
                    String::from_utf8_lossy(other)
                );
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported encoding", detail))
            }
        }
    }

    /// The bytes that it has unpacked, which are not kept.
    fn size(self, packed: &[u8]) -> Result<usize, Problem> {
        let counted = std::io::copy(&mut self.reader(packed), &mut std::io::sink()).map_err(torn)?;
        usize::try_from(counted).ok().filter(|size| *size <= PREDICT_BODY_BYTES_MAX).ok_or_else(too_large)
    }

    fn unpack(self, packed: &[u8], size: usize) -> Result<Bytes, Problem> {
        let mut whole = Vec::with_capacity(size);
        self.reader(packed).read_to_end(&mut whole).map_err(torn)?;
        Ok(whole.into())
    }

    /// What was packed, up to a byte more than a request may have.
    fn reader(self, packed: &[u8]) -> impl Read + '_ {
        let reader: Box<dyn Read + '_> = match self {
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Packing::Deflate => Box::new(flate2::read::ZlibDecoder::new(packed)),
        };
        reader.take(PREDICT_BODY_BYTES_MAX as u64 + 1)
    }
}

fn torn(error: std::io::Error) -> Problem {
    Problem::bad_request(format!("the body cannot be unpacked: {error}"))
}

fn unreadable(error: BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::bad_request(error.body_text()),
    }
}

fn too_large() -> Problem {
    let most = PREDICT_BODY_BYTES_MAX / 1024 / 1024;
    Problem::too_large(format!("a request has at most {most} MiB; send the rows in several"))
}

fn no_place() -> Problem {
    Problem::unavailable("too many packed bodies are being unpacked".to_owned())
}

/// A 408.
pub(crate) fn too_slow(limit: Duration) -> Problem {
    let detail = format!("the body did not arrive within {} ms", limit.as_millis());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too slow", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_bomb_is_not_unpacked_whole() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..80).for_each(|_| packed.write_all(&zeros).unwrap());
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 200_000);
        assert_eq!(Packing::Gzip.size(&packed).unwrap_err().status, 413);
        assert_eq!(Packing::Gzip.size(&packed[..1000]).unwrap_err().status, 400);
        assert_eq!(Packing::Deflate.size(b"not zlib").unwrap_err().status, 400);
    }
}
