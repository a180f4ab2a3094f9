//! `gateway --check`: what a health check asks of a running gateway, for images that have no shell.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

/// How long each step of the question may take.
const STEP_LIMIT: Duration = Duration::from_secs(2);

/// The first bytes of an answer that is well.
const WELL: &[u8] = b"HTTP/1.1 200";

/// What is asked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Probe {
    /// Whether the process serves: `/healthz`
    Alive,
    /// Whether it can answer predictions: `/readyz`
    Ready,
}

/// Asks the gateway that listens at `listen`.
///
/// # Errors
/// What is wrong, for the orchestrator's log.
pub fn ask(listen: SocketAddr, probe: Probe) -> anyhow::Result<()> {
    let address = reachable(listen);
    let path = match probe {
        Probe::Alive => "/healthz",
        Probe::Ready => "/readyz",
    };
    let asking = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, STEP_LIMIT)?;
        stream.set_read_timeout(Some(STEP_LIMIT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = asking().with_context(|| format!("no answer from http://{address}{path}"))?;
    if !answer.starts_with(WELL) {
        bail!("http://{address}{path}: {}", String::from_utf8_lossy(&answer).trim());
    }
    Ok(())
}

/// Where a gateway of this machine that listens at `listen` is reached.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reached("[::]:8080"), "[::1]:8080");
        assert_eq!(reached("10.0.0.7:80"), "10.0.0.7:80");
    }
}
