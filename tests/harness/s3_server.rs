//! `s3-server FOLDER PORT`: an S3 server on loopback for tests, over a folder whose subfolders are its buckets.
//!
//! Its key is `test`, its secret `testsecret`. With a file size limit of 0 (`prlimit`) it refuses writes as a full disk does.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// What the system sends to a process that writes beyond its file size limit; unless it is caught, it kills.
const SIGXFSZ: i32 = 25;

#[derive(Debug, Parser)]
struct Arguments {
    folder: PathBuf,
    port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let _caught = signal(SignalKind::from_raw(SIGXFSZ))?;
    let files = s3s_fs::FileSystem::new(&arguments.folder)
        .map_err(|error| anyhow::anyhow!("{}: {error:?}", arguments.folder.display()))?;
    let mut service = s3s::service::S3ServiceBuilder::new(files);
    service.set_auth(s3s::auth::SimpleAuth::from_single("test", "testsecret"));
    let service = service.build();
    let address = ("127.0.0.1", arguments.port);
    let listener = tokio::net::TcpListener::bind(address).await.context("listening")?;
    eprintln!("serving");
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        connections.spawn(async move {
            // A client that goes away is its own business.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
