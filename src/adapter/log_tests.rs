use super::*;

const KEPT: Retention = Retention::last(3).within(Duration::from_secs(60));

fn append(log: &MemoryLog, text: &str) -> Position {
    log.append("r", Bytes::copy_from_slice(text.as_bytes()), None, KEPT).expect("there is room").position
}

fn offsets(slice: &Slice) -> Vec<u64> {
    slice.entries.iter().flatten().map(|(offset, _)| *offset).collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_keeps_its_epoch_longer_than_its_entries() {
    let log = MemoryLog::default();
    let first = append(&log, "a");
    tokio::time::advance(Duration::from_secs(61)).await;
    let slice = log.read("r", ReadFrom::Last(9), 9, KEPT);
    assert_eq!((slice.top, offsets(&slice)), (first, vec![]));
    for _ in 0..3 {
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(log.tops(&["r", "none"]), [Some(first), None], "who asks keeps it");
    }
    tokio::time::advance(IDLE).await;
    assert_eq!(log.tops(&["r"]), [None]);
    assert_ne!(append(&log, "a").epoch, first.epoch);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_dropped_by_whatever_is_asked_next_of_any_room() {
    let log = MemoryLog::default();
    for room in 0..100 {
        log.append(&room.to_string(), Bytes::from(vec![0; 1000]), Some("k"), KEPT).expect("there is room");
    }
    assert!(log.held() > 100_000);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(log.tops(&["none"]), [None]);
    assert!(log.held() < 100 * (ROOM_COST + KEY_COST + 10), "{}", log.held());
    tokio::time::advance(KEY_AGE).await;
    tokio::time::advance(IDLE).await;
    assert_eq!(log.tops(&["none"]), [None]);
    assert_eq!(log.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_log_gives_up_the_oldest_entries_and_never_a_key() {
    let log = MemoryLog::with_limit(10_000);
    let put = |room: &str, key: Option<&str>| {
        log.append(room, Bytes::from(vec![0; 1000]), key, Retention::last(100)).map(|it| it.position)
    };
    let first = put("r", Some("first")).expect("there is room");
    for _ in 0..100 {
        put("r", None).expect("the oldest make room");
        assert!(log.held() <= 10_000);
    }
    let slice = log.read("r", ReadFrom::After(first), 1000, Retention::last(100));
    assert_eq!(slice.entries, Err(Gap::Trimmed));
    assert_eq!(slice.top.offset, 101, "no offset was used twice");
    assert_eq!(put("r", Some("first")), Ok(first));

    let keys = (0..100).map(|key| put("r", Some(&key.to_string())));
    let rejected = keys.filter(|put| matches!(put, Err(AppendError::Rejected(_)))).count();
    assert!(rejected > 10, "{rejected}");
    assert!(log.held() <= 10_000);
}
