//! Player names (`player.h`, `network/serverpackethandler.cpp` handleCommand_Init).

use super::DenyCode;

/// Longest player name in bytes.
pub const NAME_MAX: usize = 20;

/// Checks a player name as engine servers do: 1 to 20 of `a-z A-Z 0-9 _ -`, and not
/// "singleplayer" in any case. The error is the code with which to refuse.
pub fn check_name(name: &str) -> Result<(), DenyCode> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(DenyCode::WrongName);
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(DenyCode::WrongCharsInName);
    }
    if name.eq_ignore_ascii_case("singleplayer") {
        return Err(DenyCode::WrongName);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "Alice_1-x", "aaaaaaaaaaaaaaaaaaaa", "singleplayer1"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "aaaaaaaaaaaaaaaaaaaaa", "SinglePlayer"] {
            assert_eq!(check_name(bad), Err(DenyCode::WrongName), "{bad}");
        }
        for bad in ["a b", "é", "a\0", "x.y", "\u{1b}x"] {
            assert_eq!(check_name(bad), Err(DenyCode::WrongCharsInName), "{bad}");
        }
    }
}
