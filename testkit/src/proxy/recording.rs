//! The bytes of one connection, both ways, as a value and as a file.

use super::settings::Direction;
use crate::error::Error;
use std::fs;
use std::path::Path;

/// What a file begins with.
const MAGIC: &[u8] = b"stellata recording 1\n";

/// The bytes of one connection in the order in which they came.
///
/// As a file: a line that names the format, then for each piece `>` (to the server) or `<` (to
/// the client), the length in four bytes, most significant first, and the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    pieces: Vec<(Direction, Vec<u8>)>,
}

impl Recording {
    /// Adds bytes; those that follow others of the same direction lengthen their piece.
    pub fn add(&mut self, direction: Direction, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == direction => piece.extend_from_slice(bytes),
            _ => self.pieces.push((direction, bytes.to_vec())),
        }
    }

    /// The pieces; each goes the other way than the one before.
    pub fn pieces(&self) -> impl Iterator<Item = (Direction, &[u8])> {
        self.pieces.iter().map(|(direction, bytes)| (*direction, bytes.as_slice()))
    }

    /// All bytes of one direction.
    pub fn bytes(&self, direction: Direction) -> Vec<u8> {
        let pieces = self.pieces().filter(|piece| piece.0 == direction);
        pieces.flat_map(|piece| piece.1).copied().collect()
    }

    /// Reads a file that [`Recording::write`] has written.
    ///
    /// # Errors
    /// When it can't be read, or is none.
    pub fn read(path: impl AsRef<Path>) -> Result<Recording, Error> {
        let path = path.as_ref().display();
        let file = fs::read(path.to_string())
            .map_err(|cause| Error::while_doing(format!("reading {path}"), cause))?;
        Recording::parse(&file).ok_or_else(|| Error::new(format!("{path} is no recording")))
    }

    fn parse(file: &[u8]) -> Option<Recording> {
        let mut rest = file.strip_prefix(MAGIC)?;
        let mut recording = Recording::default();
        while let Some((&[way, a, b, c, d], after)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
            let (bytes, after) = after.split_at_checked(length)?;
            let direction = match way {
                b'>' => Direction::ToServer,
                b'<' => Direction::ToClient,
                _ => return None,
            };
            recording.add(direction, bytes);
            rest = after;
        }
        rest.is_empty().then_some(recording)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let mut file = MAGIC.to_vec();
        for (direction, bytes) in self.pieces() {
            file.push(match direction {
                Direction::ToServer => b'>',
                Direction::ToClient => b'<',
            });
            // A piece of 4 GiB would not have fitted in memory before.
            file.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            file.extend_from_slice(bytes);
        }
        let path = path.as_ref();
        fs::write(path, file)
            .map_err(|cause| Error::while_doing(format!("writing {}", path.display()), cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_back() {
        let mut recording = Recording::default();
        for (direction, bytes) in [
            (Direction::ToServer, b"ask".as_slice()),
            (Direction::ToClient, b"ans"),
            (Direction::ToClient, b"wer"),
            (Direction::ToServer, b"bye"),
        ] {
            recording.add(direction, bytes);
        }
        let path = std::env::temp_dir().join(format!("recording-{}.bin", std::process::id()));
        recording.write(&path).unwrap();
        assert_eq!(Recording::read(&path), Ok(recording.clone()));
        assert_eq!(recording.pieces().count(), 3);
        assert_eq!(recording.bytes(Direction::ToClient), b"answer");
        let file = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for end in MAGIC.len() + 1..file.len() {
            let whole = [0, 8, 19].contains(&(end - MAGIC.len()));
            assert_eq!(Recording::parse(&file[..end]).is_some(), whole, "{end}");
        }
        assert!(Recording::read(&path).is_err());
    }
}
