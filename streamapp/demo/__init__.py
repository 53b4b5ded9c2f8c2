"""The demo: real flights, replayed in time-lapse through a real worker."""
