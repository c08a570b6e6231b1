use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Ends the last line of a file that is appended to, if a crash has cut it.
pub(crate) fn end_torn_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}
