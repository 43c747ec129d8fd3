"""Methods that compute results of single images with the network: CAM, Grad-CAM, saliency, occlusion and others."""
