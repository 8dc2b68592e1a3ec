//! Calls begin in order and end in any.

use crate::submit_all;
use crate::testkit::{Outcome, Pair, TestedClient};

/// Started together, dispatched one after the other.
pub async fn calls_arrive_in_the_order_of_their_start(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let calls = submit_all((0..500).map(|number| client.append(number)));
    for call in calls {
        pair.get(call).await?;
    }
    assert_eq!(pair.get(client.list()).await?, (0..500).collect::<Vec<u64>>());
    Ok(())
}

/// 64 at once, the last first.
pub async fn many_calls_end_in_any_order(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let calls = submit_all((0..64).map(|gate| client.stand(gate)));
    pair.get(client.come(0, 1)).await?;
    for (gate, call) in calls.into_iter().enumerate().rev() {
        let gate = gate as u64;
        pair.get(client.open_gate(gate)).await?;
        assert_eq!(pair.get(call).await?, gate);
    }
    Ok(())
}

/// A connection does not wear out.
pub async fn a_thousand_calls_one_by_one(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    for number in 0..1_000 {
        assert_eq!(pair.get(client.negate(number)).await?, -number);
    }
    Ok(())
}

/// Their fragments do not mix, and the small one is not lost among them.
pub async fn two_large_calls_and_a_small_one_share_the_wire(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let (one, two) = (vec![1; 900_000], vec![2; 700_000]);
    let calls = submit_all([client.echo(one.clone()), client.echo(two.clone())]);
    let small = client.negate(5).submit();
    assert_eq!(pair.get(small).await?, -5);
    let mut results = Vec::new();
    for call in calls {
        results.push(pair.get(call).await?);
    }
    assert!(results == [one, two], "the fragments of two messages were mixed");
    Ok(())
}
