-- How far the bridge to RabbitMQ came: what it published of each shard, when it was last alive, and which state of each
-- order it has put on the log.
--
-- log tells one log from another, so that a database that several installations share mixes up nothing.
create table bridge_positions (
    log varchar(500) not null,
    name varchar(250) not null,
    shard integer not null,
    position bigint not null,
    updated_at timestamp not null default (now() at time zone 'utc'),
    primary key (log, name, shard)
);
comment on table bridge_positions is 'offset of the next record for a queue; time of the last balance; last sign of life';

create table bridge_orders (
    log varchar(500) not null,
    order_id varchar(100) not null,
    signal_id varchar(100) not null,
    said varchar(500) not null,
    final boolean not null,
    updated_at timestamp not null default (now() at time zone 'utc'),
    primary key (log, order_id)
);
comment on table bridge_orders is 'what the log was last told of an order, so that a restart tells it nothing twice';
