//! What serving costs at the least: an HTTP route that parses the same requests as the gateway's and answers with stored
//! bytes, and a responder that does the same behind one request-reply.
//!
//! `bench-bare http` serves on tokio's default runtime or, with `--single-threaded N`, on N runtimes of one thread that share
//! the address; with `--nats-url` every request takes a way over the broker to a `bench-bare responder`. Answers are
//! the files `NAME.json` of a folder; `/v1/models/NAME/predict` is answered by the one of that name.

mod answers;
mod hop;
mod route;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};

use self::answers::Answers;

/// That of the gateway: who is compared has the same.
#[global_allocator]
static ALLOCATOR: ::runtime::allocator::Mimalloc = ::runtime::allocator::Mimalloc;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

#[derive(Debug, Parser)]
struct Args {
    /// A folder with the stored answers
    #[arg(long)]
    answers: PathBuf,
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Clone, Subcommand)]
enum Role {
    /// Answers HTTP
    Http {
        #[arg(long)]
        listen: SocketAddr,
        /// Runtimes of one thread, instead of the default one
        #[arg(long, value_name = "N")]
        single_threaded: Option<usize>,
        /// Ask the responder at this broker
        #[arg(long)]
        nats_url: Option<String>,
    },
    /// Answers messages
    Responder {
        #[arg(long)]
        nats_url: String,
    },
}

fn main() -> anyhow::Result<()> {
    let Args { answers, role } = Args::parse();
    match role {
        Role::Http { listen, single_threaded: None, nats_url } => {
            Runtime::new()?.block_on(serve(listen, &answers, nats_url))
        }
        Role::Http { listen, single_threaded: Some(threads), nats_url } => {
            single_threaded(threads, listen, &answers, nats_url.as_deref())
        }
        Role::Responder { nats_url } => {
            Runtime::new()?.block_on(async { hop::respond(&nats_url, &Answers::read(&answers)?).await })
        }
    }
}

/// Serves from several threads that share nothing; the kernel deals the connections to them.
fn single_threaded(
    threads: usize,
    listen: SocketAddr,
    answers: &Path,
    nats_url: Option<&str>,
) -> anyhow::Result<()> {
    let one = || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(listen, answers, nats_url.map(str::to_owned)))
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

async fn serve(listen: SocketAddr, answers: &Path, nats_url: Option<String>) -> anyhow::Result<()> {
    let answers = Answers::read(answers)?;
    let router = match nats_url {
        Some(url) => route::hop(hop::connect(&url).await?),
        None => route::stored(answers),
    };
    let listener = shared(listen).with_context(|| format!("listening on {listen}"))?;
    axum::serve(listener, router).await.context("serving")
}

/// A listener on an address that others of this process listen on, too.
fn shared(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(listen)?;
    Ok(socket.listen(BACKLOG)?)
}
