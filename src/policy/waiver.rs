//! Waivers hold until their last day, and not a day longer.

use jiff::civil::Date;

use super::Waiver;

/// Whether a waiver still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaiverStatus {
    /// 0 days are left on the last day.
    Active {
        days_left: i32,
    },
    Expired {
        days_ago: i32,
    },
}

impl Waiver {
    /// `today` comes from the caller, so that the same inputs give the same verdict.
    pub fn status(&self, today: Date) -> WaiverStatus {
        let days = self.until.duration_since(today).as_hours() / 24;
        // The calendar spans 20,000 years, which is well within 32 bits of days.
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        if days >= 0 {
            WaiverStatus::Active { days_left: days }
        } else {
            WaiverStatus::Expired { days_ago: -days }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::{Origin, Selector};
    use super::*;

    #[test]
    fn a_waiver_holds_on_its_last_day_and_not_on_the_next() {
        let waiver = Waiver {
            rule: "alpha-drift".to_owned(),
            select: Selector::all(),
            ceiling: None,
            owner: "team".to_owned(),
            reason: "known".to_owned(),
            until: date(2026, 12, 31),
            origin: Origin {
                source: "gate.toml".to_owned(),
                line: Some(1),
            },
        };
        let cases = [
            (date(2026, 12, 1), WaiverStatus::Active { days_left: 30 }),
            (date(2026, 12, 31), WaiverStatus::Active { days_left: 0 }),
            (date(2027, 1, 1), WaiverStatus::Expired { days_ago: 1 }),
            (date(2027, 12, 31), WaiverStatus::Expired { days_ago: 365 }),
            (
                Date::MIN,
                WaiverStatus::Active {
                    days_left: 4_392_405,
                },
            ),
        ];
        for (today, expected) in cases {
            assert_eq!(waiver.status(today), expected, "{today}");
        }
    }
}
