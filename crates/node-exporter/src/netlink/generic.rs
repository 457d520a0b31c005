//! Generic netlink: parts of the kernel that are found by name, since they get their numbers as they are loaded.
//!
//! # Source
//! Linux `linux/genetlink.h`, `Documentation/userspace-api/netlink/intro.rst`.

use rustix::net::Protocol;
use rustix::net::netlink::GENERIC;

use super::{Request, Socket, attributes, push_attribute};
use crate::collector::CollectError;

const PROTOCOL: Protocol = GENERIC;
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Length of `struct genlmsghdr`: command u8, version u8, reserved u16.
const HEADER: usize = 4;

/// A conversation with one family.
#[derive(Debug)]
pub struct Family {
    socket: Socket,
    number: u16,
}

impl Family {
    /// Finds a family by its name.
    /// # Errors
    /// [`CollectError::NoData`] when this kernel lacks it.
    pub fn find(name: &str) -> Result<Self, CollectError> {
        let socket = Socket::open(Some(PROTOCOL))?;
        let mut body = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
        push_attribute(&mut body, CTRL_ATTR_FAMILY_NAME, &[name.as_bytes(), &[0]].concat());
        let mut number = None;
        socket.ask(Request { kind: GENL_ID_CTRL, is_dump: false, body: &body }, |_, body| {
            let id = find(body.get(HEADER..).unwrap_or_default(), CTRL_ATTR_FAMILY_ID);
            number = id.and_then(|value| value.first_chunk()).map(|value| u16::from_ne_bytes(*value));
            Ok(())
        })?;
        let number =
            number.ok_or_else(|| CollectError::NoData { why: format!("this kernel has no {name}") })?;
        Ok(Self { socket, number })
    }

    /// Asks for a list and hands the attributes of each answer to `on`.
    /// # Errors
    /// When the kernel refuses.
    pub fn list(&self, command: u8, own: &[u8], mut on: impl FnMut(&[u8])) -> Result<(), CollectError> {
        /// Every family answers its first version.
        const VERSION: u8 = 1;
        let body = [&[command, VERSION, 0, 0], own].concat();
        self.socket.ask(Request { kind: self.number, is_dump: true, body: &body }, |_, body| {
            on(body.get(HEADER..).unwrap_or_default());
            Ok(())
        })
    }
}

/// Returns the first attribute of a type.
pub fn find(attributes_of: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(attributes_of).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_that_every_kernel_has_lists_itself() {
        let control = Family::find("nlctrl").unwrap();
        assert_eq!(control.number, GENL_ID_CTRL);
        let mut names = Vec::new();
        control
            .list(CTRL_CMD_GETFAMILY, &[], |answer| {
                names.extend(find(answer, CTRL_ATTR_FAMILY_NAME).map(super::super::text));
            })
            .unwrap();
        assert!(names.iter().any(|name| name == "nlctrl"), "{names:?}");
        assert!(Family::find("nonsense").unwrap_err().is_no_data());
    }
}
