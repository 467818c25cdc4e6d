UPDATE received_events SET outcomes = :outcomes, matched = :matched WHERE id = :id
