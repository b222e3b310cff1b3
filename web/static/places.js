// Other places for a picture: the whole screen, and a small window over other programs.

import { button } from "./dom.js";

/** Their two buttons. */
export class Places {
  pip = button("pip", "Picture in picture", () => this.#togglePip(), { bare: true, kind: "pip" });
  full = button("full", "Full screen", () => this.#toggleFull(), { bare: true });
  #whole;
  #screen;
  #onRefusal;

  /** `whole`: what fills the screen. `onRefusal(text)`: the browser did not do it. */
  constructor(whole, screen, onRefusal) {
    this.#whole = whole;
    this.#screen = screen;
    this.#onRefusal = onRefusal;
    this.pip.hidden = !document.pictureInPictureEnabled;
    screen.addEventListener("covered", () => this.#allow());
  }

  // Where the bare video is shown, a packed picture would be seen as it is.
  #allow() {
    const { covered } = this.#screen;
    this.pip.disabled = covered;
    this.full.disabled = covered && !this.#whole.requestFullscreen;
  }

  #togglePip() {
    const { video } = this.#screen;
    const isOut = document.pictureInPictureElement === video;
    const done = isOut ? document.exitPictureInPicture() : video.requestPictureInPicture();
    done.catch((error) => this.#onRefusal(`No picture in picture: ${error.message}`));
  }

  #toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.#whole.requestFullscreen)
      this.#whole.requestFullscreen().catch((error) => this.#onRefusal(error.message));
    else this.#screen.video.webkitEnterFullscreen(); // a phone that shows nothing but a video in full screen
  }
}
