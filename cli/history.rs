//! How much a room keeps, as it is written on a command line.

use std::time::Duration;

use gustnado::adapter::Retention;

/// `last=1000,for=5m`, of which the second may be left out; `s`, `m`, `h` or `d` after the number.
pub(crate) fn retention(text: &str) -> Result<Retention, String> {
    let (last, age) = text.split_once(',').map_or((text, None), |(last, age)| (last, Some(age)));
    let messages = last.strip_prefix("last=").and_then(|number| number.parse().ok());
    let kept = messages.map(Retention::last).ok_or("last=NUMBER is missing")?;
    let Some(age) = age else { return Ok(kept) };
    let age = age.strip_prefix("for=").and_then(seconds).ok_or("for=TIME is not like for=5m")?;
    Ok(kept.within(Duration::from_secs(age)))
}

fn seconds(time: &str) -> Option<u64> {
    let (number, unit) = time.split_at_checked(time.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_time_are_read_and_nothing_else() {
        let five_minutes = Retention::last(1000).within(Duration::from_secs(300));
        assert_eq!(retention("last=1000,for=5m"), Ok(five_minutes));
        assert_eq!(retention("last=1000,for=300s"), Ok(five_minutes));
        assert_eq!(retention("last=7"), Ok(Retention::last(7)));
        for wrong in ["", "7", "last=", "last=7,", "last=7,for=5", "last=7,for=m", "last=7,for=5ä", "for=5m"]
        {
            assert!(retention(wrong).is_err(), "{wrong}");
        }
    }
}
