//! Text files that hold the hash of what they say, so that damage shows.

use crate::sha256;

/// What stands in a text for its seal until it has one.
pub const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The text with its first [`UNSEALED`] replaced by its own SHA-256: that of the text as it is given.
///
/// Any text form will do in which a field can hold 64 hexadecimal digits: JSON, TOML.
#[must_use]
pub fn seal(text: &str) -> String {
    text.replacen(UNSEALED, &sha256([text]), 1)
}

/// Whether a text is as it was when it was sealed. `found` is the seal that it holds.
///
/// A seal tells damage and careless edits; it is no signature, since anyone can make a new one.
#[must_use]
pub fn is_sealed(text: &str, found: &str) -> bool {
    found.len() == UNSEALED.len() && sha256([text.replacen(found, UNSEALED, 1)]) == found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal_of(text: &str) -> &str {
        let start = text.find(": \"").unwrap() + 3;
        &text[start..start + 64]
    }

    #[test]
    fn any_flipped_bit_breaks_the_seal() {
        let text = seal(&format!("{{\"seal\": \"{UNSEALED}\", \"dice\": 0.5}}"));
        assert!(is_sealed(&text, seal_of(&text)));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            // Where the field itself can't be found any more, there is nothing to compare.
            let Some(start) = flipped.find(": \"").map(|at| at + 3) else { continue };
            let Some(found) = flipped.get(start..start + 64) else { continue };
            assert!(!is_sealed(&flipped, found), "bit {bit}");
        }
    }

    #[test]
    fn a_text_without_a_seal_has_none() {
        for found in ["", "0", UNSEALED, "\u{e9}"] {
            assert!(!is_sealed("{}", found), "{found}");
            assert!(!is_sealed(&format!("{{\"seal\": \"{found}\"}}"), found), "{found}");
        }
    }
}
