SELECT extract(epoch FROM min(due_at) - now()) FROM push_deliveries
