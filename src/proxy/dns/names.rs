//! The names of a run and the addresses that stand for them inside the seal.
//!
//! Inside, every name resolves to an address of its own in 198.18.0.0/15 (RFC 2544, never routed), so that a connection
//! that brings no SNI still tells which name it is for. The broker resolves the name itself when it dials.
//!
//! **Invariants.** One name has one address and one address one name, from the first question to the end of the run.
//!
//! **Trade-off.** Addresses are never given back; a child that asks for more than 65,536 names gets failures.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};

use crate::policy::Host;

/// The first address that is given away.
const FIRST: u32 = Ipv4Addr::new(198, 18, 0, 1).to_bits();

/// How many names a run may have.
const CAPACITY: usize = 65_536;

/// The table of a run.
#[derive(Debug, Default)]
pub struct Names {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    names: Vec<Arc<Host>>,
    numbers: HashMap<Arc<Host>, u32>,
}

impl Names {
    /// The address of `name`, given now if it had none; `None` when there is none left.
    pub fn assign(&self, name: &Host) -> Option<Ipv4Addr> {
        if let Some(address) = self.known(name) {
            return Some(address);
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = table.numbers.get(name) {
            return Some(address_of(*number));
        }
        let number = u32::try_from(table.names.len()).ok().filter(|_| table.names.len() < CAPACITY)?;
        let name = Arc::new(name.clone());
        table.names.push(Arc::clone(&name));
        table.numbers.insert(name, number);
        Some(address_of(number))
    }

    /// The address of `name`, where it has one.
    pub fn known(&self, name: &Host) -> Option<Ipv4Addr> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.numbers.get(name).map(|number| address_of(*number))
    }

    /// The name that `address` stands for, v4-mapped or not.
    pub fn name(&self, address: IpAddr) -> Option<Arc<Host>> {
        let IpAddr::V4(address) = address.to_canonical() else { return None };
        let number = address.to_bits().checked_sub(FIRST)?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.names.get(usize::try_from(number).ok()?).cloned()
    }

    /// Whether `address` is of the range that stands for names, given away or not: nothing real is there.
    pub fn is_synthetic(address: IpAddr) -> bool {
        matches!(address.to_canonical(), IpAddr::V4(address) if matches!(address.octets(), [198, 18 | 19, ..]))
    }
}

fn address_of(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn names_and_addresses_are_one_to_one_and_stay() {
        let names = Names::default();
        let first = names.assign(&name("a.example")).unwrap();
        let second = names.assign(&name("b.example")).unwrap();
        assert_eq!(first, Ipv4Addr::new(198, 18, 0, 1));
        assert_ne!(first, second);
        assert_eq!(names.assign(&name("A.example.")), Some(first));
        assert_eq!(names.name(second.into()).as_deref(), Some(&name("b.example")));
        assert_eq!(names.name(second.to_ipv6_mapped().into()).as_deref(), Some(&name("b.example")));
        assert_eq!(names.known(&name("c.example")), None);
    }

    #[test]
    fn what_was_not_given_away_has_no_name() {
        let names = Names::default();
        for address in ["198.18.0.1", "198.18.0.0", "198.17.255.255", "0.0.0.0", "255.255.255.255", "::1"] {
            assert_eq!(names.name(address.parse().unwrap()), None, "{address}");
        }
        for (address, is_synthetic) in [
            ("198.18.0.0", true),
            ("198.19.255.255", true),
            ("::ffff:198.19.0.1", true),
            ("198.20.0.0", false),
            ("::", false),
        ] {
            assert_eq!(Names::is_synthetic(address.parse().unwrap()), is_synthetic, "{address}");
        }
    }

    #[test]
    fn when_the_table_is_full_no_name_gets_an_address_of_another() {
        let names = Names::default();
        for number in 0..CAPACITY {
            let address = names.assign(&name(&format!("n{number}.example"))).unwrap();
            assert!(Names::is_synthetic(address.into()));
        }
        assert_eq!(names.assign(&name("more.example")), None);
        assert!(names.assign(&name("n7.example")).is_some());
    }
}
