//! Arguments and results arrive as they were given.

use crate::testkit::pair::MAX_MESSAGE;
use crate::testkit::{OtherClient, Outcome, Pair, Point, TestedClient, Uneven};
use crate::{CallError, Connection, limits};

/// Bytes by which the encoding of so many bytes is longer than they are.
pub(super) const PREFIX: usize = 5;

async fn echo(pair: &Pair, sizes: &[usize]) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    // Some hundred bytes that are no power of two, again and again.
    let row: Vec<u8> = (0..251).collect();
    for &size in sizes {
        let mut bytes = row.repeat(size / row.len() + 1);
        bytes.truncate(size);
        assert!(pair.get(client.echo(bytes.clone())).await? == bytes, "{size} bytes come back otherwise");
        assert!(pair.get(client.echo_slice(&bytes)).await? == bytes, "{size} borrowed bytes do");
    }
    Ok(())
}

/// An empty argument, an empty result.
pub async fn nothing_is_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[0]).await
}

/// A small message.
pub async fn few_bytes_are_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[64]).await
}

/// The last size that fits in one fragment with room to spare.
pub async fn a_fragment_less_one_byte_is_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[limits::MAX_FRAGMENT - PREFIX - 1, limits::MAX_FRAGMENT - 1]).await
}

/// One fragment, full.
pub async fn a_fragment_is_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[limits::MAX_FRAGMENT - PREFIX, limits::MAX_FRAGMENT]).await
}

/// A fragment and a second of one byte.
pub async fn a_fragment_and_one_byte_are_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[limits::MAX_FRAGMENT - PREFIX + 1, limits::MAX_FRAGMENT + 1]).await
}

/// Many fragments.
pub async fn a_mebibyte_is_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[1024 * 1024]).await
}

/// The last size that both sides take.
pub async fn the_largest_message_is_echoed(pair: &Pair) -> Outcome {
    echo(pair, &[MAX_MESSAGE - PREFIX]).await
}

/// `&str`, `&T` and `Option<&str>`.
pub async fn borrowed_arguments_arrive(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let call = client.describe("kirk", &Point { x: -3, y: 4 }, Some("ü"));
    assert_eq!(pair.get(call).await?, "kirk at -3,4 (ü)");
    let call = client.describe("", &Point { x: i32::MIN, y: i32::MAX }, None);
    assert_eq!(pair.get(call).await?, " at -2147483648,2147483647 (nothing)");
    Ok(())
}

/// A plain `fn`.
pub async fn plain_functions_answer(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    assert_eq!(pair.get(client.negate(7)).await?, -7);
    assert_eq!(pair.get(client.negate(i64::MAX)).await?, -i64::MAX);
    Ok(())
}

/// The service's own error and ours are told apart.
pub async fn results_come_apart(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    assert_eq!(pair.get(client.halve(8)).await?, 4);
    assert_eq!(pair.get(client.halve(9)).await, Err(CallError::Service(Uneven(9))));
    assert_eq!(pair.get(client.halve(-2)).await?, -1);
    Ok(())
}

/// `#[blocking]`.
pub async fn blocking_handlers_answer(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let bytes = vec![3; 100_000];
    assert!(pair.get(client.echo_blocking(bytes.clone())).await? == bytes);
    assert!(pair.get(client.echo_blocking(Vec::new())).await?.is_empty());
    Ok(())
}

/// Two clients on one connection, and a second client of the same service.
pub async fn two_services_share_a_connection(pair: &Pair) -> Outcome {
    let connection: Connection = pair.connect().await?;
    let tested: TestedClient = connection.open()?;
    let other: OtherClient = connection.open()?;
    let again: TestedClient = connection.open()?;
    drop(connection);
    assert_eq!(pair.get(other.count("größer")).await?, 6);
    assert_eq!(pair.get(tested.negate(1)).await?, -1);
    drop(tested);
    assert_eq!(pair.get(again.negate(2)).await?, -2);
    assert_eq!(pair.get(other.count("")).await?, 0);
    Ok(())
}
