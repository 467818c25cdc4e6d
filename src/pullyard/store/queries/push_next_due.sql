-- What is due already waits for another of its device, or for a place.
SELECT extract(epoch FROM min(due_at) - now()) FROM push_deliveries WHERE due_at > now()
