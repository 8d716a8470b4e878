//! Reads files that others may have made: only regular files, and only up to a maximum length.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file. A pipe would block, and a device may have no end.
pub fn open(path: &Path) -> io::Result<File> {
    let is_regular = |file: std::fs::Metadata| {
        if file.is_file() {
            Ok(())
        } else if file.is_dir() {
            Err(io::Error::other("it is a folder"))
        } else {
            Err(io::Error::other("it is not a regular file"))
        }
    };
    // Opening a device can already have an effect. The second check is for a file that was replaced in between.
    is_regular(std::fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    is_regular(file.metadata()?)?;
    Ok(file)
}

/// The content of a regular file that has at most this many bytes.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("it is longer than {} MiB", max >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_than_regular_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, why) in [
            (pipe.as_path(), "not a regular file"),
            (&link, "not a regular file"),
            (Path::new("/dev/zero"), "not a regular file"),
            (folder.path(), "a folder"),
        ] {
            let error = read(path, 1).unwrap_err().to_string();
            assert!(error.contains(why), "{}: {error}", path.display());
        }
    }

    #[test]
    fn a_longer_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read(file.path(), 1 << 20).unwrap().len(), 1 << 20);
        assert!(read(file.path(), (1 << 20) - 1).unwrap_err().to_string().contains("longer than 0 MiB"));
    }
}
