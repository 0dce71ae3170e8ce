//! [`Window`]: which numbers of a sender have come already.

/// The newest of the numbers that came, and which of those before it. Numbers may come out of order by as much as it
/// is wide; what is older counts as known.
#[derive(Debug, Default)]
pub(super) struct Window {
    newest: u64,
    /// Bit n is the number `newest - n`.
    known: u128,
}

impl Window {
    /// Whether this number comes for the first time.
    pub(super) fn is_new(&mut self, number: u64) -> bool {
        if number > self.newest {
            let shift = u32::try_from(number - self.newest).ok();
            self.known = shift.and_then(|by| self.known.checked_shl(by)).unwrap_or(0) | 1;
            self.newest = number;
            return true;
        }
        let Some(bit) = u32::try_from(self.newest - number).ok().and_then(|by| 1_u128.checked_shl(by)) else {
            return false;
        };
        let new = self.known & bit == 0;
        self.known |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_in_whatever_order_they_come() {
        let mut window = Window::default();
        for number in [1, 3, 2, 130, 5, 129] {
            assert!(window.is_new(number), "{number}");
            assert!(!window.is_new(number), "{number} again");
        }
        assert!(!window.is_new(2), "it is too old to tell");
        assert!(window.is_new(u64::MAX));
        assert!(!window.is_new(130));
    }
}
