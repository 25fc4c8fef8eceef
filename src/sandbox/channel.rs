//! Messages with descriptors over a stream socket: four bytes of length, then the value.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::wire::Wire;
use crate::sys::socket;

/// A message larger than this is a fault, not a profile.
const MOST_BYTES: usize = 256 << 20;

/// Sends `message`; `descriptors` travel with its first bytes, as many with each as one may carry.
pub(super) fn send(socket: impl AsFd, message: &impl Wire, descriptors: &[impl AsFd]) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    message.put(&mut bytes);
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    let mut groups = descriptors.chunks(socket::MOST_DESCRIPTORS).peekable();
    let mut sent = 0;
    while sent < bytes.len() {
        let group = groups.next().unwrap_or_default();
        let end = if groups.peek().is_some() { sent + 1 } else { bytes.len() };
        sent += socket::send(&socket, &bytes[sent..end], group)?;
    }
    if groups.next().is_some() {
        return Err(io::Error::other("the message is too short for its descriptors"));
    }
    Ok(())
}

/// No descriptors travel along.
pub(super) const NONE: &[OwnedFd] = &[];

/// Receives one message and its descriptors; `None` when the other side has closed.
pub(super) fn receive<T: Wire>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut descriptors = Vec::new();
    let mut length = [0; 4];
    if !fill(&socket, &mut length, &mut descriptors)? {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    if !fill(&socket, &mut bytes, &mut descriptors)? && length > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let message = T::decode(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some((message, descriptors)))
}

/// Fills `buffer`; false when the other side closed before its first byte.
fn fill(socket: impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match socket::receive(&socket, &mut buffer[filled..], descriptors) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => filled += received,
            // How a Unix socket closes when the other side dies with something unread (unix(7)).
            Err(error) if filled == 0 && error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn large_messages_and_descriptors_arrive() {
        let (here, there) = UnixStream::pair().unwrap();
        let content = vec![7_u8; 3 << 20];
        let message = String::from_utf8(content).unwrap();
        let (mut kept, given) = UnixStream::pair().unwrap();
        let sender = std::thread::spawn(move || send(&here, &message, &[given]).map(|()| here));
        let (received, descriptors) = receive::<String>(&there).unwrap().unwrap();
        assert_eq!(received.len(), 3 << 20);
        let mut given = UnixStream::from(descriptors.into_iter().next().unwrap());
        given.write_all(b"x").unwrap();
        kept.read_exact(&mut [0]).unwrap();
        drop(sender.join().unwrap());
        assert!(receive::<String>(&there).unwrap().is_none());
    }

    #[test]
    fn more_descriptors_arrive_than_one_byte_carries() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut kept, given) = UnixStream::pair().unwrap();
        let all: Vec<_> = (0..300).map(|_| given.try_clone().unwrap()).collect();
        send(&here, &"ports".to_owned(), &all).unwrap();
        send(&here, &"next".to_owned(), NONE).unwrap();
        drop((given, all));
        let (received, descriptors) = receive::<String>(&there).unwrap().unwrap();
        assert_eq!((received.as_str(), descriptors.len()), ("ports", 300));
        for descriptor in descriptors {
            UnixStream::from(descriptor).write_all(b"x").unwrap();
            kept.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(kept.read(&mut [0]).unwrap(), 0);
        let (next, none) = receive::<String>(&there).unwrap().unwrap();
        assert_eq!((next.as_str(), none.len()), ("next", 0));
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[9, 0, 0, 0, 1]).unwrap();
        drop(here);
        assert!(receive::<String>(&there).is_err());
    }
}
