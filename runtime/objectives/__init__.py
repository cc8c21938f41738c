"""How is a loss handed to another library? One module a library, imported when asked for."""
