-- Both tables are ours alone. Without them a bridge begins at the end of its topics, as on its first day.
drop table bridge_orders;
drop table bridge_positions;
