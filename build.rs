//! How the library is linked, so that it needs the C library alone and outlives every `dlclose`.
//!
//! - `-z nodelete`: Lua unloads its C modules when Prosody exits; a worker that is still inside the
//!   library then would crash the server at the end of its life.
//! - The unwinder is linked in. Rust's standard library asks for `libgcc_s.so`, which slim
//!   installations do not have. GNU's C compilers carry the same code as the archive
//!   `libgcc_eh.a`, and Rust brings one of its own for musl; a linker script under the shared
//!   library's name leads to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if env::var_os("CARGO_CFG_TARGET_OS").is_none_or(|os| os != "linux") {
        return Ok(());
    }
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if let Some(archive) = unwinder_archive() {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        fs::write(
            out.join("libgcc_s.so"),
            format!("INPUT({})\n", archive.display()),
        )?;
        println!("cargo::rustc-cdylib-link-arg=-L{}", out.display());
    }
    Ok(())
}

/// An archive with the unwinder; none if there is no such, and then the library needs whatever the
/// linker adds by itself.
///
/// Rust's own for musl comes first: `musl-gcc` is a compiler for glibc in disguise, and the archive
/// that it names asks for functions that musl does not have.
fn unwinder_archive() -> Option<PathBuf> {
    rust_unwinder().or_else(compiler_unwinder)
}

/// Where a Rust that was built for other systems keeps the parts of theirs that it links itself.
fn rust_unwinder() -> Option<PathBuf> {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = env::var_os("TARGET").expect("cargo sets TARGET");
    let sysroot = printed_path(Command::new(rustc).args(["--print", "sysroot"]))?;
    let archive = sysroot
        .join("lib/rustlib")
        .join(target)
        .join("lib/self-contained/libunwind.a");
    Some(archive).filter(|archive| archive.exists())
}

/// Where the linker's compiler keeps `libgcc_eh.a`; none if it is not GNU's.
fn compiler_unwinder() -> Option<PathBuf> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    printed_path(Command::new(linker).arg("-print-file-name=libgcc_eh.a"))
}

/// The path that a command prints. A compiler that does not have a file prints its bare name.
fn printed_path(command: &mut Command) -> Option<PathBuf> {
    let output = command.output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(path.trim()).to_owned()).filter(|path| path.is_absolute())
}
