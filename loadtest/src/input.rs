//! Files that others may have made: regular ones alone, and no more of them than is asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file. A pipe would keep its reader waiting, and a device may be without an end.
pub fn open(path: &Path) -> io::Result<File> {
    let is_regular = |file: std::fs::Metadata| {
        if file.is_file() {
            Ok(())
        } else if file.is_dir() {
            Err(io::Error::other("it is a folder"))
        } else {
            Err(io::Error::other("it is no regular file"))
        }
    };
    // To open a device can have an effect already; and what was looked at may be another file by now.
    is_regular(std::fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    is_regular(file.metadata()?)?;
    Ok(file)
}

/// The whole of a regular file that has no more than this many bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, why) in [
            (pipe.as_path(), "no regular file"),
            (&link, "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (folder.path(), "a folder"),
        ] {
            let error = read(path, 1).unwrap_err().to_string();
            assert!(error.contains(why), "{}: {error}", path.display());
        }
    }

    #[test]
    fn a_file_has_so_many_bytes_at_most() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read(file.path(), 1 << 20).unwrap().len(), 1 << 20);
        assert!(read(file.path(), (1 << 20) - 1).unwrap_err().to_string().contains("longer than 0 MiB"));
    }
}
