//! Random numbers of the operating system.

/// 128 bits that nobody can guess.
///
/// # Panics
///
/// If the operating system has no random numbers.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    u128::from_le_bytes(bytes)
}
