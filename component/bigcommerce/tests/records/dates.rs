//! Dates against values that Python's datetime computed (`dates.tsv`: text, Unix seconds, nanoseconds), and against a calendar
//! that counts day by day.

use connector_bigcommerce::date::Instant;

#[test]
fn known_dates_are_read_in_every_notation() {
    let mut count = 0;
    for line in include_str!("dates.tsv").lines() {
        let mut columns = line.split('\t');
        let (text, seconds, nanos) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let instant = Instant::parse(text).unwrap_or_else(|| panic!("refused: {text}"));
        assert_eq!((instant.seconds(), instant.nanos()), (seconds.parse().unwrap(), nanos.parse().unwrap()), "{text}");
        assert_eq!(Instant::parse(&instant.rfc3339()), Some(instant), "{text}: {}", instant.rfc3339());
        assert_eq!(Instant::parse(&instant.rfc2822()), Instant::from_unix(instant.seconds()), "{text}");
        count += 1;
    }
    assert!(count > 250, "{count}");
}

#[test]
fn every_day_of_ten_thousand_years_is_where_counting_puts_it() {
    let mut day = -719_528;
    let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    for year in 0..=9_999 {
        let leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (month, mut length) in [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate() {
            if month == 1 && leap {
                length = 29;
            }
            for date in [1, length / 2, length] {
                let at = Instant::from_unix((day + date - 1) * 86_400).unwrap();
                let text = format!("{year:04}-{:02}-{date:02}", month + 1);
                assert_eq!(Instant::parse(&text), Some(at), "{text}");
                assert_eq!(at.rfc3339(), format!("{text}T00:00:00Z"));
                let weekday = weekdays[(day + date + 3).rem_euclid(7) as usize];
                let written = format!("{weekday}, {date:02} {} {year:04} 00:00:00 +0000", months[month]);
                assert_eq!(at.rfc2822(), written);
                assert_eq!(Instant::parse(&written), Some(at), "{written}");
            }
            assert_eq!(Instant::parse(&format!("{year:04}-{:02}-{:02}", month + 1, length + 1)), None);
            day += length;
        }
    }
    assert_eq!(Instant::from_unix(day * 86_400), None);
    assert_eq!(Instant::from_unix(-719_528 * 86_400 - 1), None);
}

#[test]
fn notations_of_one_moment_are_equal_and_moments_are_in_order() {
    let same = [
        "2018-03-13T16:18:59Z",
        "2018-03-13t16:18:59z",
        "2018-03-13T16:18:59",
        "2018-03-13 16:18:59.000",
        "2018-03-13T16:18:59,0000000000000Z",
        "2018-03-13T17:18:59+01:00",
        "2018-03-13T17:18:59+0100",
        "2018-03-13T17:18:59+01",
        "2018-03-13T10:48:59-05:30",
        "Tue, 13 Mar 2018 16:18:59 +0000",
        "Tue, 13 Mar 2018 16:18:59 GMT",
        "13 Mar 2018 16:18:59 UT",
        "tue,  13 mar 2018  16:18:59 utc",
        "Tue, 13 Mar 2018 08:18:59 -0800",
    ];
    for text in same {
        assert_eq!(Instant::parse(text), Instant::from_unix(1_520_957_939), "{text}");
    }
    let ascending = [
        "1969-12-31T23:59:59.999999999Z",
        "1970-01-01",
        "1970-01-01T00:00:00.000000001Z",
        "2016-12-31T23:59:59Z",
        "2016-12-31T23:59:60Z",
        "Sun, 1 Jan 2017 00:00:01 +0000",
        "2017-01-01T00:01Z",
    ];
    for pair in ascending.windows(2) {
        assert!(Instant::parse(pair[0]).unwrap() < Instant::parse(pair[1]).unwrap(), "{pair:?}");
    }
}

#[test]
fn what_is_no_date_is_refused() {
    let none = [
        "",
        "2018",
        "2018-03",
        "2018-3-13",
        "18-03-13",
        "2018-02-29",
        "1900-02-29",
        "2018-00-10",
        "2018-13-01",
        "2018-03-00",
        "2018-04-31",
        "2018-03-13T",
        "2018-03-13T16",
        "2018-03-13T24:00:00Z",
        "2018-03-13T16:60:00Z",
        "2018-03-13T16:18:60Z",
        "2018-03-13T16:59:61Z",
        "2018-03-13T16:18:59.Z",
        "2018-03-13T16:18:59.1234567891Z",
        "2018-03-13T16:18:59+24:00",
        "2018-03-13T16:18:59+00:60",
        "2018-03-13T16:18:59+1",
        "2018-03-13T16:18:59+01:0",
        "2018-03-13T16:18:59 Z",
        "2018-03-13Z",
        "2018-03-13 ",
        " 2018-03-13",
        "2018-03-13T16:18:59Zx",
        "2018/03/13",
        "20180313",
        "1520957939",
        "now",
        "Wed, 13 Mar 2018 16:18:59 +0000",
        "Tuesday, 13 Mar 2018 16:18:59 +0000",
        "Tue 13 Mar 2018 16:18:59 +0000",
        "Tue, 13 March 2018 16:18:59 +0000",
        "Tue, 13 Mar 18 16:18:59 +0000",
        "Tue, 13 Mar 2018 16:18:59",
        "Tue, 13 Mar 2018 16:18:59 EST",
        "Tue, 13 Mar 2018 16:18:59 +0000 (UTC)",
        "Tue, 13 Mar 2018",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-00:01",
        "2018-03-1é",
        "T\u{fc}e, 13 Mar 2018 16:18:59 +0000",
        "١٩٧٠-01-01",
    ];
    for text in none {
        assert_eq!(Instant::parse(text), None, "{text:?}");
    }
}
