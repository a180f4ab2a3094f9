//! Exit codes: 0 done, 1 failed, 2 the caller has to change something.

use std::process::ExitCode;

/// A mistake of the caller: exits with 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A mistake of the caller, said by `error`.
pub fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::new(Usage(error.to_string()))
}

/// Says on standard error why a command failed, and chooses the exit code.
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let is_usage = error.chain().any(|cause| cause.is::<Usage>());
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}
