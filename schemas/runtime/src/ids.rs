//! Names for workers and campaigns.

use std::hash::{BuildHasher, RandomState};

use schemas::time::format_ms;

/// Crockford's base 32 in lower case: no letter is mistaken for a digit.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn random_text(digits: usize) -> String {
    // RandomState draws its keys from the operating system's random numbers.
    let mut bits = RandomState::new().hash_one(std::process::id());
    let mut text = String::with_capacity(digits);
    for _ in 0..digits {
        text.push(char::from(DIGITS[(bits % 32) as usize]));
        bits /= 32;
    }
    text
}

/// A worker's name: its role and 8 random digits, `trainer-7k3qm0zt`.
pub fn worker(role: &str) -> String {
    format!("{role}-{}", random_text(8))
}

/// A campaign's name: its UTC millisecond and 5 random digits, `20261122t215601047-7k3qm`. Sorts by time.
pub fn campaign(now_ms: i64) -> String {
    let stamp: String = format_ms(now_ms).chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    format!("{}{:03}-{}", stamp.to_lowercase(), now_ms.rem_euclid(1_000), random_text(5))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_tokens_and_differ() {
        let id = super::campaign(1_795_000_000_123);
        assert!(id.starts_with("20261118t") && id.len() == 24, "{id}");
        assert!(schemas::name::check("campaign", &id).is_ok());
        assert_ne!(super::worker("trainer"), super::worker("trainer"));
    }
}
