//! What the operating system does for the sandbox. The only unsafe code of the crate.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, kill_process, set_parent_process_death_signal, setrlimit,
};

use super::wire::Death;

/// Bytes of a dead learner's last words that are kept.
const WORDS_BYTES_MAX: u64 = 600;

/// Tries, a millisecond apart, to find this process with one thread: joined threads take a moment to vanish.
const SINGLE_TRIES: u32 = 500;

/// Which side of a fork one is on.
pub(super) enum Side {
    /// The copy.
    Child,
    /// The original, with the copy's id.
    Parent(Pid),
}

/// The descriptors of standard input and output, for us alone: what is copied later must not hold the pipes open.
pub(super) fn take_stdio() -> io::Result<(File, File)> {
    let (input, output) =
        (rustix::io::dup(rustix::stdio::stdin())?, rustix::io::dup(rustix::stdio::stdout())?);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok((File::from(input), File::from(output)))
}

/// Core time that this process has used, all threads together, in seconds.
pub(super) fn core_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Splits this process in two that share all memory until one writes to it.
///
/// # Errors
/// When this process has more than one thread: the copy would have one, with the others' locks held for ever.
pub(super) fn fork() -> io::Result<Side> {
    let threads = || Ok::<_, io::Error>(std::fs::read_dir("/proc/self/task")?.count());
    let mut tries = 0;
    while threads()? != 1 {
        tries += 1;
        if tries > SINGLE_TRIES {
            return Err(io::Error::other("a learner's host has several threads and cannot be copied"));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the end of a joined thread is no event one can wait for"
        )]
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: there is one thread, so the copy finds every lock and the allocator in a whole state.
    match unsafe { libc::fork() } {
        0 => Ok(Side::Child),
        id => Pid::from_raw(id).filter(|_| id > 0).map(Side::Parent).ok_or_else(io::Error::last_os_error),
    }
}

/// Makes a fresh copy a learner: it ends with its host, writes its last words to `words`, and may take `memory_bytes`
/// more than it has.
pub(super) fn confine(host: Pid, words: &File, memory_bytes: u64) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(host) {
        return Err(io::Error::other("the host has ended"));
    }
    rustix::stdio::dup2_stderr(words)?;
    // A learner writes here and there to memory that is new to it: a huge page for each place would have to be emptied first.
    // A kernel that has none needs no telling.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, no_core)?;
    // Where a container's memory runs out, the kernel takes a learner, whose scope is then named, and not the trainer. Without
    // /proc it chooses as it likes.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let most = Some(address_space_bytes()?.saturating_add(memory_bytes));
    Ok(setrlimit(Resource::As, Rlimit { current: most, maximum: most })?)
}

fn address_space_bytes() -> io::Result<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("/proc/self/statm cannot be read"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Ends this process without running what its original registered for the end.
pub(super) fn leave() -> ! {
    // SAFETY: always sound; it does not return.
    unsafe { libc::_exit(0) }
}

/// A file in memory for a learner's last words.
pub(super) fn words_file() -> io::Result<File> {
    Ok(File::from(memfd_create("last-words", MemfdFlags::CLOEXEC)?))
}

/// Waits until some of `files` can be read (or have ended); says which.
pub(super) fn wait_readable(files: &[BorrowedFd]) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    loop {
        match poll(&mut polled, None) {
            Ok(_) => return Ok(polled.iter().map(|file| !file.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills a child that has not been waited for.
pub(super) fn kill(child: Pid) {
    // It can only be gone already.
    let _ = kill_process(child, Signal::KILL);
}

/// Waits for the end of a child, and tells how it came.
pub(super) fn wait(child: Pid, words: &mut File) -> io::Result<Death> {
    let mut status = 0;
    // SAFETY: zeros are a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types.
    while unsafe { libc::wait4(child.as_raw_nonzero().get(), &raw mut status, 0, &raw mut usage) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Death {
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        words: last_words(words).unwrap_or_default(),
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or_default() * 1024,
    })
}

fn last_words(file: &mut File) -> io::Result<String> {
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(end.saturating_sub(WORDS_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Writes to the log from where there is no logger.
pub(super) fn complain(problem: &dyn std::fmt::Display) {
    // There is nowhere else to say that standard error is closed.
    let _ = writeln!(io::stderr(), "learner's host: {problem}");
}

/// The descriptor of anything that has one.
pub(super) fn fd(of: &impl AsFd) -> BorrowedFd<'_> {
    of.as_fd()
}
