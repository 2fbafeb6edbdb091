"""Shows a video in a window while it is answered.

By Tk, which comes with most Pythons: the OpenCV that is installed here has no windows.
"""

import numpy as np
from PIL import Image

MOST_SHOWN_SIDE = 1280  # in pixels; larger frames are shown smaller


class NoWindowError(Exception):
    """There can be no window; the message says why."""


class Window:
    """A window that shows one picture after the other until somebody closes it."""

    def __init__(self, title: str):
        """Opens it.

        Raises:
            NoWindowError: There is no screen, or no Tk.
        """
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise NoWindowError(f"this Python has no Tk ({error})") from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise NoWindowError(str(error)) from None
        self._root.title(title)
        self._picture: object = None  # Tk keeps none itself
        self._photo_of = ImageTk.PhotoImage
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self.is_open = True
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _: self.close())

    def show(self, image: np.ndarray) -> None:
        """Shows a picture, unless the window is closed.

        Args:
            image: (height, width, 3) uint8, RGB.
        """
        if not self.is_open:
            return
        picture = Image.fromarray(image)
        picture.thumbnail((MOST_SHOWN_SIDE, MOST_SHOWN_SIDE))
        self._picture = self._photo_of(picture)
        self._label.configure(image=self._picture)
        self._root.update()

    def close(self) -> None:
        """Closes it."""
        if self.is_open:
            self.is_open = False
            self._root.destroy()
