WITH tenant AS (INSERT INTO tenants (id, name) VALUES (:tenant_id, 'Pullyard') RETURNING id)
INSERT INTO members (id, tenant_id, name, role) SELECT :id, id, 'owner', 'owner' FROM tenant
