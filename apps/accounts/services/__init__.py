"""What people do with accounts: sign in, invite, claim an invitation, reset a password."""
