"""What trading decisions rest on: prices, the account, the strategies in force."""
