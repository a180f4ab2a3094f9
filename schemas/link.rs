//! How the three programs are linked: a build script of `producer`, `worker` and `gateway`.
//!
//! Functions that are the same are linked once, and relocations are packed where the machine's own loader can read them:
//! together a tenth of a program. Only Rust's own linker on x86-64 Linux is known to do it; with any other, programs are as
//! they would be without.

// Cargo reads what it says.
#![allow(clippy::print_stdout)]

use std::process::Command;

/// From this version on glibc's loader reads packed relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=../schemas/link.rs");
    if !is_known() {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    if glibc().is_some_and(|version| version >= PACKED_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether this is built for the machine that builds it, by the linker that comes with Rust.
fn is_known() -> bool {
    let says = |name: &str| std::env::var(name).unwrap_or_default();
    let linkers_own = ["linker", "fuse-ld", "link-self-contained"];
    let flags = says("CARGO_ENCODED_RUSTFLAGS");
    says("TARGET") == "x86_64-unknown-linux-gnu"
        && says("HOST") == says("TARGET")
        && says("RUSTC_LINKER").is_empty()
        && !linkers_own.iter().any(|flag| flags.contains(flag))
}

/// The machine's glibc, as `getconf` tells it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
