//! One type of call, several styles of waiting for it.

use crate::testkit::{Outcome, Pair, Slot, TestedClient, Uneven};
use crate::{CallError, submit_all};

/// Made and dropped, it has never existed.
pub async fn a_call_does_nothing_until_it_is_started(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    drop(client.append(1));
    let late = client.append(2);
    pair.get(client.append(3)).await?;
    pair.get(late).await?;
    assert_eq!(pair.get(client.list()).await?, [3, 2]);
    Ok(())
}

/// `submit` and `try_take`, `submit` and waiting, `on_complete`, `detach`.
pub async fn the_styles_of_waiting_agree(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    assert_eq!(pair.get(client.negate(1).submit()).await?, -1);
    let mut call = client.negate(2).submit();
    let taken = loop {
        match call.try_take() {
            Some(result) => break result?,
            None => pair.give_way().await,
        }
    };
    assert_eq!(taken, -2);
    assert!(matches!(call.try_take(), Some(Err(_))), "a result was given twice");

    let slot = Slot::default();
    let put = slot.clone();
    client.halve(7).on_complete(move |result| put.put(result))?;
    assert_eq!(slot.take().await, Err(CallError::Service(Uneven(7))));

    client.append(9).detach()?;
    assert_eq!(pair.get(client.list()).await?, [9]);
    Ok(())
}

/// `submit_all`, then each in its own way.
pub async fn submitted_together_answered_each(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let calls = submit_all((0..100).map(|number| client.negate(number)));
    for (number, mut call) in (0..100).zip(calls) {
        let early = if number % 3 == 0 { call.try_take() } else { None };
        let result = match early {
            Some(result) => result?,
            None => pair.get(call).await?,
        };
        assert_eq!(result, -number);
    }
    assert!(submit_all(std::iter::empty::<crate::Call<i64>>()).is_empty());
    Ok(())
}
